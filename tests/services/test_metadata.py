"""Reading AccountView's dictionary, and naming what may be meant when a name of ours is not in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from avsync.sandbox.accountview.names import overrides
from avsync.sandbox.server import Sandbox
from avsync.services.accountview.client import AccountView
from avsync.services.accountview.metadata import PAGE_SIZE, Column, Metadata, Missing, load, verify
from avsync.services.accountview.schema import load_schema
from tests.services.test_accountview_client import client
from tests.support.scripted_server import Scripted, answer

ALL = tuple(load_schema())
READ = dict.fromkeys(ALL, {"read"})


@pytest.fixture
def make() -> Iterator[Callable[..., AccountView]]:
    boxes: list[Sandbox] = []

    def started(schema: Any = None, **options: Any) -> AccountView:
        box = Sandbox(**options)
        box.start()
        boxes.append(box)
        token = box.grant()["access_token"]
        auth = {"Authorization": f"Bearer {token}"}
        return client(box.accountview_url, box.company_id, lambda: auth, schema)

    yield started
    for box in boxes:
        box.stop()


def loaded(reader: AccountView) -> Metadata:
    return load(reader, reader.schema, ALL)


def test_everything_is_there(make: Callable[..., AccountView]) -> None:
    reader = make()
    found = loaded(reader)
    assert verify(found, reader.schema, dict.fromkeys(ALL, {"read", "insert", "update"})) == []
    assert found.column("customer", "number") == Column("C", 10, None, True, True, "Debiteurnummer")
    assert found.column("order", "work_type") == Column("M", 4, None, False, False, "Externe opmerking")
    assert found.column("order_line", "quantity") == Column("N", 13, 4, False, False, "Aantal besteld")
    assert found.column("customer", "shoe_size") is None
    assert found.types()["hour", "date"] == "D"
    assert len(found.types()) == sum(len(table.columns) for table in reader.schema.values())


def test_it_can_be_kept(make: Callable[..., AccountView]) -> None:
    reader = make()
    found = loaded(reader)
    kept = Metadata.from_json(found.to_json())
    assert kept == found
    assert kept.covers(reader.schema, ALL)
    assert not kept.covers(load_schema({"hour": {"columns": {"date": "DAY"}}}), ["hour"])
    assert not load(reader, reader.schema, ["hour"]).covers(reader.schema, ["hour", "time_code"])
    for text in ("", "[]", "{}", '{"objects": {"A": {}}, "tables": {}, "columns": {}, "kinds": {}, "names": {}}'):
        with pytest.raises(ValueError, match=r"."):
            Metadata.from_json(text)


def test_a_missing_module_and_reference(make: Callable[..., AccountView]) -> None:
    reader = make(contacts_module=False, ext_id=False)
    missing = verify(loaded(reader), reader.schema, READ)
    assert Missing("contact", "object", "PP1") in missing
    assert [(one.kind, one.neutral, one.optional) for one in missing if one.what == "column"] == [
        ("order", "reference", True),
        ("hour", "reference", True),
    ]
    assert len(missing) == 3


def test_other_names_are_found_by_their_description(make: Callable[..., AccountView]) -> None:
    reader = make(names="other")
    missing = {(one.kind, one.neutral or one.what): one for one in verify(loaded(reader), reader.schema, READ)}
    assert missing["hour", "object"].candidates[0] == "UR1 (Urenregels)"
    assert missing["time_code", "object"].candidates == ["US1 (Uursoorten)"]
    assert missing["employee", "object"].candidates == ["MW1 (Medewerkers)"]
    assert missing["project_type", "object"].candidates[0] == "TY1 (Projecttypen)"
    assert missing["contact", "object"].candidates == ["CP1 (Contactpersonen)"]
    assert missing["project", "employee"].candidates == ["PJ_LEIDER (Verantwoordelijke medewerker)"]
    assert missing["project", "description"].candidates == ["PJ_MEMO (Opmerking)"]
    assert missing["order", "number"].candidates[0] == "VO_NUMMER (Ordernummer)"
    assert missing["order", "changed_at"].candidates[0] == "WYZ_DATUM (Gewijzigd op)"
    assert missing["order_line", "id"].candidates == ["VR_ID (Regelnummer)"]


def test_columns_of_another_table_are_found(make: Callable[..., AccountView]) -> None:
    objects = {"hour": {"business_object": "UR1", "table": "UREN"}, "time_code": {"business_object": "US1"}}
    reader = make(objects, names="other")
    missing = {(one.kind, one.neutral or one.what): one for one in verify(loaded(reader), reader.schema, READ)}
    assert missing["hour", "time_code"].candidates == ["UURSOORT (Uursoort)"]
    assert missing["hour", "quantity"].candidates == ["UUR_AANTAL (Aantal uren)"]
    assert missing["hour", "employee"].candidates == ["UUR_MEDEW (Medewerkernummer)"]
    assert missing["hour", "date"].candidates[0] == "UUR_DATUM (Datum)"
    assert missing["time_code", "table"].candidates[0] == "UURSOORT (Uursoorten)"


def test_the_right_overrides_leave_nothing_missing(make: Callable[..., AccountView]) -> None:
    reader = make(overrides("other"), names="other")
    assert verify(loaded(reader), reader.schema, READ) == []


def test_rights(make: Callable[..., AccountView]) -> None:
    reader = make(rights={"CONTACT": "r", "HRS_LINE": "ri", "SO_LINE": "ru"})
    found = loaded(reader)
    needs = {"customer": {"insert", "update"}, "hour": {"insert", "update"}, "order_line": {"insert"}}
    assert verify(found, reader.schema, needs) == [
        Missing("customer", "insert", "CONTACT"),
        Missing("customer", "update", "CONTACT"),
        Missing("hour", "update", "HRS_LINE"),
        Missing("order_line", "insert", "SO_LINE"),
    ]
    assert verify(found, reader.schema, READ) == []


def field(name: str, **more: Any) -> dict[str, Any]:
    return {"DBF_NAME": "PRO_TYPE", "FIELD_NAME": name, "FIELD_TYPE": "C", "FIELD_LEN": 10, **more}


def test_odd_shapes_of_the_dictionary() -> None:
    fields = [
        field("PT_CODE", INP_MAND="T", FLD_FMT="@!", FIELD_LEN="10"),
        field("pt_desc", FIELD_TYPE="N", FIELD_LEN=13.4, COM_BLK=True),
        field("OTHER", DBF_NAME="PRO_TYPE2"),
    ]
    closed = {"DBF_NAME": "PRO_TYPE", "OBJ_CODE": "PT1", "NO_XML_UPD": True}
    with Scripted(
        answer({"Code": "pt1", "Description": "Projecttypen"}),
        answer({"dct_fld": fields}),
        answer({"DCT_FILE": closed}),
    ) as server:
        reader = client(server.url, "c-1")
        found = load(reader, reader.schema, ["project_type"])
    assert found.column("project_type", "code") == Column("C", 10, None, True, True)
    assert found.column("project_type", "name") == Column("N", 13, 4, False, False)
    assert "OTHER" not in found.columns["PRO_TYPE"]
    needs = {"project_type": {"insert", "update"}}
    assert [one.what for one in verify(found, reader.schema, needs)] == ["insert", "update"]
    assert "FilterValue1=PRO_TYPE HTTP" in server.seen[1][0]


def test_table_names_are_padded() -> None:
    with Scripted(answer([{"Code": "HR1"}]), answer(b"", "404 No"), answer(b"", "404 No")) as server:
        reader = client(server.url, "c-1", None, {"hour": {"table": "UREN"}})
        found = load(reader, reader.schema, ["hour"])
    assert "FilterValue1=UREN%20%20%20%20 HTTP" in server.seen[1][0]
    assert verify(found, reader.schema, {"hour": {"read"}}) == [Missing("hour", "table", "UREN")]


def test_the_dictionary_is_paged_on_its_row_number() -> None:
    first = [field(f"F{number}", DCT_FLD_Id=number) for number in range(PAGE_SIZE)]
    with Scripted(
        answer([{"Code": "PT1"}]),
        answer({"DCT_FLD": first}),
        answer({"DCT_FLD": [field("PT_CODE", DCT_FLD_Id=1000), field("PT_DESC", DCT_FLD_Id=1001)]}),
        answer(b"", "404 Not Found"),
    ) as server:
        reader = client(server.url, "c-1")
        found = load(reader, reader.schema, ["project_type"])
    assert verify(found, reader.schema, {"project_type": {"insert"}}) == []
    assert "LastKey=999" in server.seen[2][0]
    assert f"pagesize={PAGE_SIZE}&fields=dct_fld.dbf_name%2Cdct_fld.field_name" in server.seen[1][0]


def test_a_table_of_very_many_columns_is_read_whole(make: Callable[..., AccountView]) -> None:
    for extra in (300, 1200):
        reader = make(extra_columns=extra)
        assert verify(loaded(reader), reader.schema, READ) == []
