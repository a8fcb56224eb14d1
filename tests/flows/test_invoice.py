"""The ticked lines of checked work orders on their sales orders: nothing doubles, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.comparison import look
from tests.support.office import Office, body, shop
from tests.support.world import line

FLOWS = {"invoice": "export"}


def checked(one: Office, name: str, *lines: dict[str, Any], **fields: Any) -> str:
    """A work order that was checked with these lines."""
    return one.work_order(name, **{"status": "checked", "lines": list(lines), **fields})


def lines_of(one: Office, name: str) -> list[tuple[str, str]]:
    """(article, quantity) on the sales order of a work order."""
    return one.standing(one.order_of(name)["ORD_NR"])


def recheck(one: Office, name: str, *lines: dict[str, Any]) -> None:
    """Unchecked, changed, and checked again, with a run in between."""
    one.change(name, status="completed")
    one.run()
    one.change(name, lines=list(lines), status="checked")


# what goes and what does not


def test_nothing_goes_before_the_work_order_is_checked(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1", lines=[line("a", "PUMP-1", "2")])
        for status in ("open", "planned", "completed", "onbekend"):
            one.change("w1", status=status)
            one.goes()
            assert lines_of(one, "w1") == []
        one.change("w1", status="checked")
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        one.in_step()


def test_only_ticked_lines_go_and_a_line_ticked_later_goes_along_with_the_next_run(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3", ticked=False))
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        one.change("w1", lines=[line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3")])
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "3")]
        one.in_step(before)


def test_prices_are_never_sent(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        one.goes()
        (put,) = [write for write in one.sent("accountview", "PUT") if "SO_LINE" in write.body]
        (detail,) = body(put)["Table"]["DetailDefinitions"]
        assert {field["Name"] for field in detail["Fields"]} == {"RowId", "HeaderId", "ART_CODE", "ORD_QTY"}
        assert [str(row["ART_PX"]) for row in one.box.accountview.rows("SO_LINE")] == ["12.50"]


def test_article_codes_in_another_case_are_the_same_article(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", " pump-1 ", "2"), line("b", "Pump-1", "1"))
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PUMP-1", "1")]
        one.in_step()


def test_quantities_keep_their_decimals(tmp_path: Path) -> None:
    quantities = ["0.25", "12.3456", "0.0001", "-1", "0", "1000000", "2.50"]
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", *(line(str(number), "PUMP-1", text) for number, text in enumerate(quantities)))
        one.goes()
        shown = ["0.25", "12.3456", "0.0001", "-1", "0", "1000000", "2.5"]
        assert [quantity for _, quantity in lines_of(one, "w1")] == shown
        one.in_step()


def test_a_quantity_with_too_many_decimals_is_rounded_with_a_warning(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "1.23456"), line("b", "PIPE-2", "0.99996"))
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "1.2346"), ("PIPE-2", "1")]
        found = one.errors()
        assert [(one_["code"], one_["severity"]) for one_ in found] == [("line_rounded", "warning")] * 2
        assert "PUMP-1" in found[0]["message"]
        assert "PIPE-2" in found[1]["message"]
        one.rests()
        recheck(one, "w1", line("a", "PUMP-1", "1.2346"), line("b", "PIPE-2", "1"))
        one.goes()
        assert one.codes() == []
        one.in_step()


def test_two_identical_ticked_lines_stay_two(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PUMP-1", "2"), line("c", "PUMP-1", "2"))
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2")] * 3
        one.in_step(before)


def test_two_work_orders_with_the_same_lines_each_keep_their_own(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        for name in ("w1", "w2"):
            checked(one, name, line(f"{name}-a", "PUMP-1", "2"))
        one.goes()
        assert lines_of(one, "w1") == lines_of(one, "w2") == [("PUMP-1", "2")]
        one.in_step(before)


def test_line_ids_that_are_unique_only_within_a_work_order_are_no_obstacle(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        for name in ("w1", "w2"):
            checked(one, name, line("1", "PUMP-1", "2"), line("2", "PIPE-2", "1"))
        one.goes()
        recheck(one, "w2", line("1", "PUMP-1", "5"), line("2", "PIPE-2", "1"), line("3", "VALVE-3", "1"))
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        assert lines_of(one, "w2") == [("PUMP-1", "5"), ("PIPE-2", "1"), ("VALVE-3", "1")]
        one.in_step(before)


# line ids that Crafter gives out anew (behaviour 4)


def test_lines_whose_ids_crafter_gave_out_anew_are_the_same_lines(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PUMP-1", "2"), line("c", "PIPE-2", "1.50"))
        one.goes()
        one.change("w1", lines=[line("x", "PUMP-1", "2"), line("y", "PIPE-2", "1.5"), line("z", "pump-1", "2.0")])
        one.box.requests.clear()
        one.goes()
        assert one.writes() == []
        assert one.codes() == []
        one.change("w1", lines=[line("p", "PUMP-1", "2"), line("q", "PIPE-2", "1.5"), line("r", "PUMP-1", "7")])
        one.goes()
        assert sorted(lines_of(one, "w1")) == [("PIPE-2", "1.5"), ("PUMP-1", "2"), ("PUMP-1", "2"), ("PUMP-1", "7")]
        assert one.codes() == ["line_unticked"], "one of the twins is really gone"
        one.change("w1", lines=[line("q", "PIPE-2", "4"), line("s", "PUMP-1", "7"), line("t", "PUMP-1", "2")])
        one.goes()
        assert sorted(lines_of(one, "w1")) == [("PIPE-2", "4"), ("PUMP-1", "2"), ("PUMP-1", "2"), ("PUMP-1", "7")]
        one.change("w1", lines=[line(name, "PUMP-1", "2") for name in "uv"] + [line("w", "PIPE-2", "4")])
        one.goes()
        assert one.codes() == ["line_unticked"]
        assert "PUMP-1 (7)" in one.problem()["message"]
        one.change("w1", lines=[line("u", "PUMP-1", "2"), line("m", "PUMP-1", "2"), line("w", "PIPE-2", "4"),
                                line("k", "PUMP-1", "7")])  # fmt: skip
        one.goes()
        assert one.codes() == []
        one.in_step(before)


def test_a_line_under_a_new_id_goes_on_as_the_line_it_was(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        one.goes()
        row = next(row for row in one.box.accountview.rows("SO_LINE") if row["ART_CODE"] == "PIPE-2")
        one.box.accountview.remove("SO_LINE", row["REC_ID"])
        one.change("w1", lines=[line("x", "PUMP-1", "2"), line("y", "PIPE-2", "1"), line("z", "VALVE-3", "1")])
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("VALVE-3", "1")], "what was struck there stays struck"
        assert one.codes() == []
        one.change("w1", lines=[line("x", "PUMP-1", "3"), line("y", "PIPE-2", "1"), line("z", "VALVE-3", "1")])
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "3"), ("VALVE-3", "1")]
        one.rests()


def test_a_line_that_is_only_unticked_is_no_line_that_vanished(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        one.goes()
        one.change("w1", lines=[line("a", "PUMP-1", "2", ticked=False), line("b", "PUMP-1", "2")])
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PUMP-1", "2")]
        assert one.codes() == ["line_unticked"]
        one.rests()


def test_new_ids_given_out_while_the_answer_to_the_lines_is_lost_double_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        one.work_order("w1")
        one.goes()
        one.change("w1", status="checked", lines=[line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1")])
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", do="commit_drop")
        one.box.faults.add(side="accountview", method="GET", path="SO_LINE", nth=2, times=0, do="500")
        one.run()
        one.box.faults.clear()
        one.change("w1", lines=[line("x", "PUMP-1", "2"), line("y", "PIPE-2", "1")])
        one.run()
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        assert one.codes() == []
        one.in_step(before)


# articles


def test_an_unknown_article_is_reported_on_the_work_order_and_the_other_lines_go(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "NIEUW-9", "1"), line("c", "PIPE-2", "3"))
        assert one.run()["exit"] == 1
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "3")]
        found = one.problem()
        assert found["code"] == "article_unknown"
        assert found["flow"] == "invoice"
        assert "NIEUW-9" in found["message"]
        assert "NIEUW-9" in one.told("w1")[0]
        one.rests(exit_code=1)
        one.box.accountview.add("ARTICLE", ART_CODE="NIEUW-9", ART_DESC1="Nieuw", PRICE="1")
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "3"), ("NIEUW-9", "1")]
        assert one.codes() == []
        assert one.told("w1") == []
        one.in_step()


@pytest.mark.parametrize("article", [None, "", "PUMP\u20281", "PUMP\n1", "é☃'\"&<", "X" * 50])
def test_an_article_number_that_can_be_no_article_stops_only_its_line(tmp_path: Path, article: str | None) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", article, "1"), line("b", article, "1"), line("c", "PIPE-2", "3"))
        assert one.run()["exit"] == 1
        assert lines_of(one, "w1") == [("PIPE-2", "3")]
        unknown = ["article_unknown"] if article else ["article_missing"] * 2
        assert one.codes() in (unknown, ["line_unreadable"] * 2)


def test_equal_unknown_lines_are_one_problem_of_their_article(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        same = {"description": "Zelfde tekst"}
        checked(one, "w1", *(line(name, "NIEUW-9", "1", **same) for name in "abc"), line("d", "NIEUW-8", "1", **same))
        assert one.run()["exit"] == 1
        assert one.codes() == ["article_unknown"] * 2
        one.rests(exit_code=1)
        one.change("w1", lines=[line("d", "NIEUW-8", "1", **same)])
        assert one.run()["exit"] == 1
        assert one.codes() == ["article_unknown"]


@pytest.mark.parametrize("quantity", ["2,5", "veel", None, "1e400"])
def test_a_line_whose_quantity_cannot_be_read_is_reported_and_the_others_go(
    tmp_path: Path, quantity: str | None
) -> None:
    with shop(tmp_path, FLOWS) as one:
        bad = line("a", "PUMP-1", quantity), line("b", "PUMP-1", quantity)
        checked(one, "w1", *bad, line("c", "PIPE-2", "3"), line("d", "PIPE-2", quantity, ticked=False))
        assert one.run()["exit"] == 1
        assert lines_of(one, "w1") == [("PIPE-2", "3")]
        assert one.codes() == ["line_unreadable"] * 2
        one.rests(exit_code=1)
        fixed = line("a", "PUMP-1", "2.5"), line("b", "PUMP-1", "1"), line("c", "PIPE-2", "3")
        one.change("w1", lines=list(fixed))
        one.goes()
        assert lines_of(one, "w1") == [("PIPE-2", "3"), ("PUMP-1", "2.5"), ("PUMP-1", "1")]
        one.in_step()


# checked again


def test_checked_again_quantities_follow_new_lines_are_added_and_nothing_doubles(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3"))
        one.goes()
        recheck(one, "w1", line("a", "PUMP-1", "2.5"), line("b", "PIPE-2", "3"), line("c", "VALVE-3", "1"))
        one.box.requests.clear()
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2.5"), ("PIPE-2", "3"), ("VALVE-3", "1")]
        puts = one.sent("accountview")
        assert len(puts) == 2, "lines to change and lines to add never share a request"
        one.in_step(before)


def test_checked_again_without_a_change_sends_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2.50"))
        one.goes()
        one.box.requests.clear()
        recheck(one, "w1", line("a", "PUMP-1", "2.5", description="Andere tekst"))
        one.goes()
        assert one.sent("accountview") == one.sent("crafter") == []
        one.in_step()


def test_a_line_that_got_another_article_is_changed_when_accountview_knows_it(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        one.goes()
        recheck(one, "w1", line("a", "NIEUW-9", "2"), line("b", "PIPE-2", "1"))
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "article_unknown"
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        one.box.accountview.add("ARTICLE", ART_CODE="NIEUW-9", ART_DESC1="Nieuw", PRICE="1")
        one.goes()
        assert lines_of(one, "w1") == [("NIEUW-9", "2"), ("PIPE-2", "1")]
        one.in_step()


def test_a_line_unticked_or_removed_afterwards_is_a_warning_and_not_removed(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        same = [line(name, "PUMP-1", "2") for name in "abc"]
        checked(one, "w1", *same)
        one.goes()
        recheck(one, "w1", line("a", "PUMP-1", "2", ticked=False), same[1])
        one.goes()
        assert [(found["code"], found["severity"]) for found in one.errors()] == [("line_unticked", "warning")] * 2
        assert "PUMP-1" in one.told("w1")[0]
        assert lines_of(one, "w1") == [("PUMP-1", "2")] * 3
        one.rests()
        recheck(one, "w1", *same)
        one.goes()
        assert one.codes() == []
        assert lines_of(one, "w1") == [("PUMP-1", "2")] * 3
        one.in_step()


def test_the_warning_of_an_unticked_line_ends_when_the_line_is_deleted_in_accountview(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        one.goes()
        recheck(one, "w1", line("a", "PUMP-1", "2", ticked=False), line("b", "PIPE-2", "1"))
        one.goes()
        row = next(row for row in one.box.accountview.rows("SO_LINE") if row["ART_CODE"] == "PUMP-1")
        one.box.accountview.remove("SO_LINE", row["REC_ID"])
        one.change("w1", description="Nog eens bekeken")
        one.goes()
        assert one.codes() == []
        assert lines_of(one, "w1") == [("PIPE-2", "1")]
        one.rests()


def test_a_line_deleted_in_accountview_is_never_sent_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        one.goes()
        row = next(row for row in one.box.accountview.rows("SO_LINE") if row["ART_CODE"] == "PUMP-1")
        one.box.accountview.remove("SO_LINE", row["REC_ID"])
        one.rests()
        recheck(one, "w1", line("a", "PUMP-1", "5"), line("b", "PIPE-2", "4"), line("c", "VALVE-3", "1"))
        one.goes()
        assert lines_of(one, "w1") == [("PIPE-2", "4"), ("VALVE-3", "1")]
        assert (one.problem()["code"], one.problem()["severity"]) == ("line_gone", "warning")
        one.rests()
        recheck(one, "w1", line("b", "PIPE-2", "4"), line("c", "VALVE-3", "1"))
        one.goes()
        assert one.codes() == []
        one.in_step()


def test_a_line_that_the_bookkeeper_edited_on_the_order_is_left_to_him(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        one.goes()
        row = next(row for row in one.box.accountview.rows("SO_LINE") if row["ART_CODE"] == "PUMP-1")
        one.box.accountview.edit("SO_LINE", row["REC_ID"], ORD_QTY=3)
        one.rests()
        recheck(one, "w1", line("a", "PUMP-1", "5"), line("b", "PIPE-2", "4"))
        one.goes()
        assert sorted(lines_of(one, "w1")) == [("PIPE-2", "4"), ("PUMP-1", "3")]
        assert (one.problem()["code"], one.problem()["severity"]) == ("line_edited", "warning")
        assert "PUMP-1" in one.problem()["message"]
        assert "(now 3 × PUMP-1)" in one.problem()["message"]
        one.rests()
        recheck(one, "w1", line("a", "PUMP-1", "3"), line("b", "PIPE-2", "4"))
        one.goes()
        assert one.codes() == []
        one.in_step()


# no longer checked (behaviour 21)


@pytest.mark.parametrize("status", ["planned", "completed", "open", "wacht"])
def test_a_work_order_that_is_no_longer_checked_after_its_lines_went_is_a_warning(tmp_path: Path, status: str) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        one.work_order("w2", status="completed", lines=[line("c", "PUMP-1", "1")])
        one.goes()
        number = one.order_of("w1")["ORD_NR"]
        one.change("w1", status=status, lines=[line("a", "PUMP-1", "5"), line("b", "PIPE-2", "1")])
        one.goes()
        assert (one.problem()["code"], one.problem()["severity"]) == ("order_unchecked", "warning")
        assert number in one.problem()["message"]
        assert "PUMP-1" in one.problem()["message"]
        assert "PIPE-2" in one.told("w1")[0]
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        one.rests()
        one.change("w1", status="checked")
        one.goes()
        assert one.codes() == []
        assert one.told("w1") == []
        assert lines_of(one, "w1") == [("PUMP-1", "5"), ("PIPE-2", "1")]
        one.in_step()


def test_that_warning_names_what_still_stands_and_ends_when_nothing_does(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        one.goes()
        pump, pipe = one.box.accountview.rows("SO_LINE")
        one.box.accountview.remove("SO_LINE", pump["REC_ID"])
        one.change("w1", status="planned")
        one.goes()
        assert "PIPE-2" in one.problem()["message"]
        assert "PUMP-1" not in one.problem()["message"]
        one.box.accountview.remove("SO_LINE", pipe["REC_ID"])
        one.change("w1", description="Toch nog niet klaar")
        one.goes()
        assert one.codes() == []
        one.rests()


def test_a_cancelled_work_order_is_said_once(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        one.goes()
        one.change("w1", status="cancelled")
        one.goes()
        assert one.codes() == ["order_cancelled"]
        one.rests()


def test_a_work_order_planned_again_while_its_lines_are_on_their_way_is_said_too(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1")
        one.goes()
        one.change("w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        one.box.faults.add(side="accountview", method="PUT", path="accountviewdata", do="commit_drop")
        one.box.faults.add(side="accountview", method="GET", path="SO_LINE", nth=2, times=0, do="500")
        one.run()
        one.box.faults.clear()
        one.change("w1", status="planned")
        one.run()
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        assert one.codes() == ["order_unchecked"]
        one.rests()


# no order, or not any more


def test_without_a_linked_order_the_problem_says_how_to_get_one(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), order_number="404")
        assert one.run()["exit"] == 1
        assert one.codes() == ["order_not_linked", "order_number_unknown"]
        found = next(found for found in one.errors() if found["code"] == "order_not_linked")
        assert "goes" in found["hint"] or "go along" in found["hint"]
        assert one.box.accountview.rows("SO_LINE") == []
        one.change("w1", order_number=None)
        one.goes()
        assert one.codes() == []
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        one.in_step()


def test_a_checked_work_order_from_before_start_date_is_skipped(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), created_at="2025-12-31T22:59:00.000000Z")
        checked(one, "w2", line("b", "PUMP-1", "2"), created_at="2025-12-31T23:30:00.000000Z")
        one.goes()
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert lines_of(one, "w2") == [("PUMP-1", "2")]
        one.in_step()


def test_an_order_invoiced_in_accountview_is_a_problem_and_nothing_is_half_written(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        checked(one, "w2", line("z", "PUMP-1", "2"))
        one.goes()
        number = one.order_of("w1")["ORD_NR"]
        one.box.accountview.edit("SO_HDR", number, CLOSED=True)
        recheck(one, "w1", line("a", "PUMP-1", "3"), line("b", "PIPE-2", "1"), line("c", "VALVE-3", "1"))
        for _ in range(2):
            assert one.run()["exit"] == 1
            found = one.problem()
            assert found["code"] == "lines_rejected"
            assert number in found["message"]
            assert "al gefactureerd" in found["message"]
            assert "VALVE-3" in found["message"]
            assert one.standing(number) == [("PUMP-1", "2")]
        recheck(one, "w1", line("a", "PUMP-1", "2"))
        one.goes()
        assert one.codes() == []
        one.in_step()


def test_an_order_deleted_in_accountview_is_a_problem_only_when_there_is_something_to_add(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for name in ("w1", "w2", "w3"):
            checked(one, name, line(f"{name}-a", "PUMP-1", "2"))
        one.goes()
        for name in ("w1", "w2"):
            one.box.accountview.remove("SO_HDR", one.werkbon(name)["order_number"])
        one.goes("--full")
        one.rests()
        one.change("w1", description="Alleen de tekst")
        one.rests()
        one.change("w2", lines=[line("w2-a", "PUMP-1", "2"), line("w2-b", "PIPE-2", "1")])
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "order_closed"
        one.rests(exit_code=1)
        assert len(one.box.accountview.rows("SO_HDR")) == 1


def test_an_order_that_turns_out_to_be_deleted_while_lines_are_sent_is_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1")
        one.goes()
        number = one.werkbon("w1")["order_number"]
        one.box.accountview.remove("SO_HDR", number)
        one.change("w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "order_closed"
        assert number in one.problem()["message"]
        assert one.box.accountview.rows("SO_LINE") == []


def test_after_lost_state_a_work_order_whose_order_was_archived_is_left_alone(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for name in ("w1", "w2"):
            checked(one, name, line(f"{name}-a", "PUMP-1", "2"))
        one.goes()
        one.box.accountview.remove("SO_HDR", one.werkbon("w1")["order_number"])
        one.goes("--full")
        for file in one.state.glob("state.db*"):
            file.unlink()
        one.goes()
        one.rests()
        one.change("w1", description="Nog eens gewijzigd")
        one.rests()
        assert (one.problem()["code"], one.problem()["name"]) == ("lines_counted", "Ketel w2")
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert lines_of(one, "w2") == [("PUMP-1", "2")]


# refusals


def test_one_refused_line_among_good_ones_does_not_hold_them_back(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=True)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3"), line("c", "VALVE-3", "1"))
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert lines_of(one, "w1") == [("PUMP-1", "2"), ("VALVE-3", "1")]
            assert one.problem()["code"] == "lines_rejected"
            assert "PIPE-2" in one.problem()["message"]
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=False)
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("VALVE-3", "1"), ("PIPE-2", "3")]
        one.in_step()


def test_a_refused_change_does_not_hold_back_new_lines(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3"))
        one.goes()
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=True)
        recheck(
            one, "w1", line("a", "PUMP-1", "4"), line("b", "PIPE-2", "5"), line("c", "VALVE-3", "1"),
            line("d", "VALVE-3", "1"),
        )  # fmt: skip
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert lines_of(one, "w1") == [("PUMP-1", "4"), ("PIPE-2", "3"), ("VALVE-3", "1"), ("VALVE-3", "1")]
            assert one.problem()["code"] == "lines_rejected"
            assert "PIPE-2" in one.problem()["message"]
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=False)
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "4"), ("PIPE-2", "5"), ("VALVE-3", "1"), ("VALVE-3", "1")]
        one.in_step()


def test_an_unknown_article_beside_a_refused_line_is_still_tried_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=True)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3"), line("c", "NIEUW-9", "1"))
        assert one.run()["exit"] == 1
        assert one.codes() == ["article_unknown", "lines_rejected"]
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=False)
        assert one.run()["exit"] == 1
        assert one.codes() == ["article_unknown"]
        one.box.accountview.add("ARTICLE", ART_CODE="NIEUW-9", ART_DESC1="Nieuw", PRICE="1")
        one.goes()
        assert sorted(lines_of(one, "w1")) == [("NIEUW-9", "1"), ("PIPE-2", "3"), ("PUMP-1", "2")]
        one.in_step()


def test_a_locked_order_is_tried_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.work_order("w1")
        one.goes()
        number = one.werkbon("w1")["order_number"]
        one.box.accountview.lock("SO_HDR", number)
        one.change("w1", status="checked", lines=[line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1")])
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "lines_rejected"
        assert "in gebruik" in one.problem()["message"]
        one.box.accountview.unlock("SO_HDR", number)
        one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        one.in_step()


# adopted orders


def test_on_an_adopted_order_an_equal_line_counts_as_sent(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.sales_order("500", COMMENT1="Ketel w1")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="PUMP-1", ORD_QTY="2")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="VALVE-3", ORD_QTY="1")
        before = look(one.box)
        ticked = line("a", "PUMP-1", "2.0"), line("b", "PUMP-1", "2"), line("c", "PIPE-2", "1")
        checked(one, "w1", *ticked, order_number="500")
        checked(one, "w2", line("z", "PUMP-1", "2"))
        one.goes()
        assert one.standing("500") == [("PUMP-1", "2"), ("VALVE-3", "1"), ("PUMP-1", "2"), ("PIPE-2", "1")]
        assert lines_of(one, "w2") == [("PUMP-1", "2")]
        assert (one.problem()["code"], one.problem()["severity"]) == ("lines_counted", "warning")
        assert "500" in one.problem()["message"]
        assert "PUMP-1 (2)." in one.problem()["message"], "only one of the two"
        assert "PUMP-1 (2)" in one.told("w1")[0]
        one.in_step(before)
        one.change("w1", lines=[*ticked, line("d", "VALVE-3", "1")])
        one.goes()
        assert one.codes() == ["lines_counted", "lines_counted"]
        assert one.avsync("errors", "--ignore", str(one.errors()[0]["id"])).exit == 0
        assert one.codes() == ["lines_counted"]
        one.goes()
        one.rests()


def test_what_counts_as_sent_is_told_for_a_week(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.sales_order("500", COMMENT1="Ketel w1")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="PUMP-1", ORD_QTY="2")
        checked(one, "w1", line("a", "PUMP-1", "2"), order_number="500")
        one.goes()
        one.later(days=6)
        one.goes()
        assert one.codes() == ["lines_counted"]
        one.later(days=2)
        one.goes()
        assert one.codes() == []
        assert one.told("w1") == []


def test_an_adopted_order_whose_lines_all_stand_there_is_not_written(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.sales_order("500", COMMENT1="Ketel w1")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="PUMP-1", ORD_QTY="2")
        checked(one, "w1", line("a", "PUMP-1", "2"), order_number="500")
        one.goes()
        assert one.sent("accountview") == []
        recheck(one, "w1", line("a", "PUMP-1", "3"))
        one.goes()
        assert one.standing("500") == [("PUMP-1", "3")]
        one.in_step()


def test_a_work_order_made_again_does_not_invoice_its_lines_twice(tmp_path: Path) -> None:
    with shop(tmp_path, {**FLOWS, "orders": "both"}) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        checked(one, "w2", line("z", "PUMP-1", "2"))
        one.goes()
        number = one.werkbon("w1")["order_number"]
        one.box.crafter.remove("work-orders", "w1")
        one.goes()
        (again,) = [bon for bon in one.box.crafter.records("work-orders") if bon["order_number"] == number]
        one.change(again["id"], status="checked", lines=[line("b", "PUMP-1", "2"), line("c", "PIPE-2", "1")])
        one.goes()
        assert one.standing(number) == [("PUMP-1", "2"), ("PIPE-2", "1")]
        one.in_step(but=(number,))  # its EXT_ID still names the work order that is no more


# answers in other shapes


@pytest.mark.parametrize("shape", ["empty_write_body", "nest_details", "bare_single"])
def test_lines_are_known_again_whatever_the_shape_of_the_answer(tmp_path: Path, shape: str) -> None:
    with shop(tmp_path, FLOWS, **{shape: True}) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PUMP-1", "2"))
        checked(one, "w2", line("z", "PUMP-1", "2"))
        one.run()
        one.goes()
        recheck(one, "w1", line("a", "PUMP-1", "2"), line("b", "PUMP-1", "7"), line("c", "PIPE-2", "1"))
        recheck(one, "w2", line("z", "PUMP-1", "9"))
        one.goes()
        assert sorted(lines_of(one, "w1")) == [("PIPE-2", "1"), ("PUMP-1", "2"), ("PUMP-1", "7")]
        assert lines_of(one, "w2") == [("PUMP-1", "9")]
        one.in_step(before)


def test_a_quantity_that_accountview_stores_otherwise_does_not_double_the_line(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.goes()
        coarse = one.box.accountview.dictionary.tables["SO_LINE"].columns["ORD_QTY"]
        object.__setattr__(coarse, "decimals", 2)  # since the metadata was read
        checked(one, "w1", line("a", "PUMP-1", "1.2345"), line("b", "PUMP-1", "1"), line("c", "PIPE-2", "0.3333"))
        for _ in range(3):
            one.goes()
        assert lines_of(one, "w1") == [("PUMP-1", "1.23"), ("PUMP-1", "1"), ("PIPE-2", "0.33")]


def test_a_checked_work_order_is_invoiced_in_the_run_that_makes_its_order(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        result = one.run()
        assert (result["exit"], result["flows"]["invoice"]["created"]) == (0, 1)
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        one.in_step()


def test_an_imported_order_takes_the_lines_of_its_work_order(tmp_path: Path) -> None:
    with shop(tmp_path, {**FLOWS, "orders": "import"}) as one:
        one.sales_order("500")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="VALVE-3", ORD_QTY="1")
        one.goes()
        (bon,) = one.box.crafter.records("work-orders")
        ticked = [line("a", "PUMP-1", "2"), line("b", "VALVE-3", "1")]
        one.change(bon["id"], status="checked", lines=ticked)
        one.goes()
        assert one.standing("500") == [("VALVE-3", "1"), ("PUMP-1", "2"), ("VALVE-3", "1")]
        one.in_step()


def test_a_quantity_changed_on_an_order_that_is_gone_says_so_of_the_order(tmp_path: Path) -> None:
    """Not of the line, which nobody can put on an order that is not there."""
    with shop(tmp_path, FLOWS) as one:
        one.work_order("wo-1", status="checked", lines=[line("l1", quantity="2")])
        one.goes()
        one.change("wo-1", lines=[line("l1", quantity="3")])
        one.box.accountview.remove("SO_HDR", one.order_number())
        assert one.run()["exit"] == 1
        assert one.problem()["code"] == "order_closed"
        one.rests(1)
        one.change("wo-1", lines=[line("l1", quantity="2")])
        one.goes()
        assert one.errors() == []


def test_lines_under_one_id_are_said_and_none_of_them_goes(tmp_path: Path) -> None:
    """Which of them is which nobody can say: one of the two was lost without a word."""
    with shop(tmp_path, {**FLOWS, "orders": "export"}) as one:
        twins = [line("l1", quantity="2"), line("l1", "PIPE-2", quantity="5"), line("l1", ticked=False)]
        one.work_order("wo-1", status="checked", lines=[*twins, line("l2", "VALVE-3")])
        assert one.run()["exit"] == 1
        assert one.standing(one.order_number()) == [("VALVE-3", "1")]
        found = one.problem()
        assert found["code"] == "lines_alike"
        assert "PIPE-2, PUMP-1" in found["message"]
        one.rests(1)
        one.change("wo-1", lines=[line("l1", quantity="2"), line("l3", "PIPE-2", quantity="5"), line("l2", "VALVE-3")])
        one.goes()
        assert one.standing(one.order_number()) == [("VALVE-3", "1"), ("PUMP-1", "2"), ("PIPE-2", "5")]
        one.rests()


def test_sent_lines_that_get_one_id_together_are_not_told_to_be_unticked(tmp_path: Path) -> None:
    with shop(tmp_path, {**FLOWS, "orders": "export"}) as one:
        one.work_order("wo-1", status="checked", lines=[line("l1"), line("l2", "PIPE-2")])
        one.goes()
        one.change("wo-1", lines=[line("l1"), line("l1", "PIPE-2")])
        assert one.run()["exit"] == 1
        assert "lines_alike" in one.codes()
        one.change("wo-1", lines=[line("l1"), line("l2", "PIPE-2")])
        one.goes()
        assert one.errors() == []
        assert one.standing(one.order_number()) == [("PUMP-1", "1"), ("PIPE-2", "1")]
