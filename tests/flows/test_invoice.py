"""The ticked lines of checked work orders on their sales orders: nothing doubles, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.comparison import look
from tests.support.office import Office
from tests.support.shop import (
    body,
    change,
    codes,
    goes,
    in_step,
    line,
    order_of,
    problem,
    rests,
    sales_order,
    sent,
    shop,
    standing,
    told,
    werkbon,
    work_order,
)

FLOWS = {"invoice": "export"}


def checked(one: Office, name: str, *lines: dict[str, Any], **fields: Any) -> str:
    """A work order that was checked with these lines."""
    return work_order(one, name, **{"status": "checked", "lines": list(lines), **fields})


def lines_of(one: Office, name: str) -> list[tuple[str, str]]:
    """(article, quantity) on the sales order of a work order."""
    return standing(one, order_of(one, name)["ORD_NR"])


def recheck(one: Office, name: str, *lines: dict[str, Any]) -> None:
    """Unchecked, changed, and checked again, with a run in between."""
    change(one, name, status="completed")
    one.run()
    change(one, name, lines=list(lines), status="checked")


# what goes and what does not


def test_nothing_goes_before_the_work_order_is_checked(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        work_order(one, "w1", lines=[line("a", "PUMP-1", "2")])
        for status in ("open", "planned", "completed", "onbekend"):
            change(one, "w1", status=status)
            goes(one)
            assert lines_of(one, "w1") == []
        change(one, "w1", status="checked")
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        in_step(one)


def test_only_ticked_lines_go_and_a_line_ticked_later_goes_along_with_the_next_run(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3", ticked=False))
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        change(one, "w1", lines=[line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3")])
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "3")]
        in_step(one, before)


def test_prices_are_never_sent(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        goes(one)
        (put,) = [write for write in sent(one, "accountview", "PUT") if "SO_LINE" in write.body]
        (detail,) = body(put)["Table"]["DetailDefinitions"]
        assert {field["Name"] for field in detail["Fields"]} == {"RowId", "HeaderId", "ART_CODE", "ORD_QTY"}
        assert [str(row["ART_PX"]) for row in one.box.accountview.rows("SO_LINE")] == ["12.50"]


def test_article_codes_in_another_case_are_the_same_article(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", " pump-1 ", "2"), line("b", "Pump-1", "1"))
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PUMP-1", "1")]
        in_step(one)


def test_quantities_keep_their_decimals(tmp_path: Path) -> None:
    quantities = ["0.25", "12.3456", "0.0001", "-1", "0", "1000000", "2.50"]
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", *(line(str(number), "PUMP-1", text) for number, text in enumerate(quantities)))
        goes(one)
        shown = ["0.25", "12.3456", "0.0001", "-1", "0", "1000000", "2.5"]
        assert [quantity for _, quantity in lines_of(one, "w1")] == shown
        in_step(one)


def test_a_quantity_with_too_many_decimals_is_rounded_with_a_warning(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "1.23456"), line("b", "PIPE-2", "0.99996"))
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "1.2346"), ("PIPE-2", "1")]
        found = one.errors()
        assert [(one_["code"], one_["severity"]) for one_ in found] == [("line_rounded", "warning")] * 2
        assert "PUMP-1" in found[0]["message"]
        assert "PIPE-2" in found[1]["message"]
        rests(one)
        recheck(one, "w1", line("a", "PUMP-1", "1.2346"), line("b", "PIPE-2", "1"))
        goes(one)
        assert codes(one) == []
        in_step(one)


def test_two_identical_ticked_lines_stay_two(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PUMP-1", "2"), line("c", "PUMP-1", "2"))
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2")] * 3
        in_step(one, before)


def test_two_work_orders_with_the_same_lines_each_keep_their_own(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        for name in ("w1", "w2"):
            checked(one, name, line(f"{name}-a", "PUMP-1", "2"))
        goes(one)
        assert lines_of(one, "w1") == lines_of(one, "w2") == [("PUMP-1", "2")]
        in_step(one, before)


def test_line_ids_that_are_unique_only_within_a_work_order_are_no_obstacle(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        for name in ("w1", "w2"):
            checked(one, name, line("1", "PUMP-1", "2"), line("2", "PIPE-2", "1"))
        goes(one)
        recheck(one, "w2", line("1", "PUMP-1", "5"), line("2", "PIPE-2", "1"), line("3", "VALVE-3", "1"))
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        assert lines_of(one, "w2") == [("PUMP-1", "5"), ("PIPE-2", "1"), ("VALVE-3", "1")]
        in_step(one, before)


# articles


def test_an_unknown_article_is_reported_on_the_work_order_and_the_other_lines_go(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "NIEUW-9", "1"), line("c", "PIPE-2", "3"))
        assert one.run()["exit"] == 1
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "3")]
        found = problem(one)
        assert found["code"] == "article_unknown"
        assert found["flow"] == "invoice"
        assert "NIEUW-9" in found["message"]
        assert "NIEUW-9" in told(one, "w1")[0]
        rests(one, exit_code=1)
        one.box.accountview.add("ARTICLE", ART_CODE="NIEUW-9", ART_DESC1="Nieuw", PRICE="1")
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "3"), ("NIEUW-9", "1")]
        assert codes(one) == []
        assert told(one, "w1") == []
        in_step(one)


@pytest.mark.parametrize("article", [None, "", "PUMP\u20281", "PUMP\n1", "é☃'\"&<", "X" * 50])
def test_an_article_number_that_can_be_no_article_stops_only_its_line(tmp_path: Path, article: str | None) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", article, "1"), line("b", article, "1"), line("c", "PIPE-2", "3"))
        assert one.run()["exit"] == 1
        assert lines_of(one, "w1") == [("PIPE-2", "3")]
        assert len(codes(one)) == 2
        assert set(codes(one)) <= {"article_unknown", "line_unreadable"}


def test_equal_unknown_lines_are_each_reported(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        same = {"description": "Zelfde tekst"}
        checked(one, "w1", *(line(name, "NIEUW-9", "1", **same) for name in "abc"), line("d", "NIEUW-8", "1", **same))
        assert one.run()["exit"] == 1
        assert codes(one) == ["article_unknown"] * 4
        rests(one, exit_code=1)
        change(one, "w1", lines=[line("d", "NIEUW-8", "1", **same)])
        assert one.run()["exit"] == 1
        assert codes(one) == ["article_unknown"]


@pytest.mark.parametrize("quantity", ["2,5", "veel", None, "1e400"])
def test_a_line_whose_quantity_cannot_be_read_is_reported_and_the_others_go(
    tmp_path: Path, quantity: str | None
) -> None:
    with shop(tmp_path, FLOWS) as one:
        bad = line("a", "PUMP-1", quantity), line("b", "PUMP-1", quantity)
        checked(one, "w1", *bad, line("c", "PIPE-2", "3"), line("d", "PIPE-2", quantity, ticked=False))
        assert one.run()["exit"] == 1
        assert lines_of(one, "w1") == [("PIPE-2", "3")]
        assert codes(one) == ["line_unreadable"] * 2
        rests(one, exit_code=1)
        fixed = line("a", "PUMP-1", "2.5"), line("b", "PUMP-1", "1"), line("c", "PIPE-2", "3")
        change(one, "w1", lines=list(fixed))
        goes(one)
        assert lines_of(one, "w1") == [("PIPE-2", "3"), ("PUMP-1", "2.5"), ("PUMP-1", "1")]
        in_step(one)


# checked again


def test_checked_again_quantities_follow_new_lines_are_added_and_nothing_doubles(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3"))
        goes(one)
        recheck(one, "w1", line("a", "PUMP-1", "2.5"), line("b", "PIPE-2", "3"), line("c", "VALVE-3", "1"))
        one.box.requests.clear()
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2.5"), ("PIPE-2", "3"), ("VALVE-3", "1")]
        puts = sent(one, "accountview")
        assert len(puts) == 2, "lines to change and lines to add never share a request"
        in_step(one, before)


def test_checked_again_without_a_change_sends_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2.50"))
        goes(one)
        one.box.requests.clear()
        recheck(one, "w1", line("a", "PUMP-1", "2.5", description="Andere tekst"))
        goes(one)
        assert one.writes() == []
        in_step(one)


def test_a_line_that_got_another_article_is_changed_when_accountview_knows_it(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        goes(one)
        recheck(one, "w1", line("a", "NIEUW-9", "2"), line("b", "PIPE-2", "1"))
        assert one.run()["exit"] == 1
        assert problem(one)["code"] == "article_unknown"
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        one.box.accountview.add("ARTICLE", ART_CODE="NIEUW-9", ART_DESC1="Nieuw", PRICE="1")
        goes(one)
        assert lines_of(one, "w1") == [("NIEUW-9", "2"), ("PIPE-2", "1")]
        in_step(one)


def test_a_line_unticked_or_removed_afterwards_is_a_warning_and_not_removed(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        same = [line(name, "PUMP-1", "2") for name in "abc"]
        checked(one, "w1", *same)
        goes(one)
        recheck(one, "w1", line("a", "PUMP-1", "2", ticked=False), same[1])
        goes(one)
        assert [(found["code"], found["severity"]) for found in one.errors()] == [("line_unticked", "warning")] * 2
        assert "PUMP-1" in told(one, "w1")[0]
        assert lines_of(one, "w1") == [("PUMP-1", "2")] * 3
        rests(one)
        recheck(one, "w1", *same)
        goes(one)
        assert codes(one) == []
        assert lines_of(one, "w1") == [("PUMP-1", "2")] * 3
        in_step(one)


def test_the_warning_of_an_unticked_line_ends_when_the_line_is_deleted_in_accountview(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        goes(one)
        recheck(one, "w1", line("a", "PUMP-1", "2", ticked=False), line("b", "PIPE-2", "1"))
        goes(one)
        row = next(row for row in one.box.accountview.rows("SO_LINE") if row["ART_CODE"] == "PUMP-1")
        one.box.accountview.remove("SO_LINE", row["REC_ID"])
        change(one, "w1", description="Nog eens bekeken")
        goes(one)
        assert codes(one) == []
        assert lines_of(one, "w1") == [("PIPE-2", "1")]
        rests(one)


def test_a_line_deleted_in_accountview_is_never_sent_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1"))
        goes(one)
        row = next(row for row in one.box.accountview.rows("SO_LINE") if row["ART_CODE"] == "PUMP-1")
        one.box.accountview.remove("SO_LINE", row["REC_ID"])
        rests(one)
        recheck(one, "w1", line("a", "PUMP-1", "5"), line("b", "PIPE-2", "4"), line("c", "VALVE-3", "1"))
        goes(one)
        assert lines_of(one, "w1") == [("PIPE-2", "4"), ("VALVE-3", "1")]
        assert (problem(one)["code"], problem(one)["severity"]) == ("line_gone", "warning")
        rests(one)
        recheck(one, "w1", line("b", "PIPE-2", "4"), line("c", "VALVE-3", "1"))
        goes(one)
        assert codes(one) == []
        in_step(one)


# no order, or not any more


def test_without_a_linked_order_the_problem_says_how_to_get_one(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), order_number="404")
        assert one.run()["exit"] == 1
        assert codes(one) == ["order_not_linked", "order_number_unknown"]
        found = next(found for found in one.errors() if found["code"] == "order_not_linked")
        assert "goes" in found["hint"] or "go along" in found["hint"]
        assert one.box.accountview.rows("SO_LINE") == []
        change(one, "w1", order_number=None)
        goes(one)
        assert codes(one) == []
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        in_step(one)


def test_a_checked_work_order_from_before_start_date_is_skipped(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), created_at="2025-12-31T22:59:00.000000Z")
        checked(one, "w2", line("b", "PUMP-1", "2"), created_at="2025-12-31T23:30:00.000000Z")
        goes(one)
        assert len(one.box.accountview.rows("SO_HDR")) == 1
        assert lines_of(one, "w2") == [("PUMP-1", "2")]
        in_step(one)


def test_an_order_invoiced_in_accountview_is_a_problem_and_nothing_is_half_written(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        checked(one, "w2", line("z", "PUMP-1", "2"))
        goes(one)
        number = order_of(one, "w1")["ORD_NR"]
        one.box.accountview.edit("SO_HDR", number, CLOSED=True)
        recheck(one, "w1", line("a", "PUMP-1", "3"), line("b", "PIPE-2", "1"), line("c", "VALVE-3", "1"))
        for _ in range(2):
            assert one.run()["exit"] == 1
            found = problem(one)
            assert found["code"] == "lines_rejected"
            assert number in found["message"]
            assert "al gefactureerd" in found["message"]
            assert "VALVE-3" in found["message"]
            assert standing(one, number) == [("PUMP-1", "2")]
        recheck(one, "w1", line("a", "PUMP-1", "2"))
        goes(one)
        assert codes(one) == []
        in_step(one)


def test_an_order_deleted_in_accountview_is_a_problem_only_when_there_is_something_to_add(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for name in ("w1", "w2", "w3"):
            checked(one, name, line(f"{name}-a", "PUMP-1", "2"))
        goes(one)
        for name in ("w1", "w2"):
            one.box.accountview.remove("SO_HDR", werkbon(one, name)["order_number"])
        goes(one, "--full")
        rests(one)
        change(one, "w1", description="Alleen de tekst")
        rests(one)
        change(one, "w2", lines=[line("w2-a", "PUMP-1", "2"), line("w2-b", "PIPE-2", "1")])
        assert one.run()["exit"] == 1
        assert problem(one)["code"] == "order_closed"
        rests(one, exit_code=1)
        assert len(one.box.accountview.rows("SO_HDR")) == 1


def test_an_order_that_turns_out_to_be_deleted_while_lines_are_sent_is_a_problem(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        work_order(one, "w1")
        goes(one)
        number = werkbon(one, "w1")["order_number"]
        one.box.accountview.remove("SO_HDR", number)
        change(one, "w1", status="checked", lines=[line("a", "PUMP-1", "2")])
        assert one.run()["exit"] == 1
        assert problem(one)["code"] == "order_closed"
        assert number in problem(one)["message"]
        assert one.box.accountview.rows("SO_LINE") == []


def test_after_lost_state_a_work_order_whose_order_was_archived_is_left_alone(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        for name in ("w1", "w2"):
            checked(one, name, line(f"{name}-a", "PUMP-1", "2"))
        goes(one)
        one.box.accountview.remove("SO_HDR", werkbon(one, "w1")["order_number"])
        goes(one, "--full")
        for file in one.state.glob("state.db*"):
            file.unlink()
        goes(one)
        rests(one)
        change(one, "w1", description="Nog eens gewijzigd")
        rests(one)
        assert codes(one) == []
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
            assert problem(one)["code"] == "lines_rejected"
            assert "PIPE-2" in problem(one)["message"]
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=False)
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("VALVE-3", "1"), ("PIPE-2", "3")]
        in_step(one)


def test_a_refused_change_does_not_hold_back_new_lines(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3"))
        goes(one)
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=True)
        recheck(
            one, "w1", line("a", "PUMP-1", "4"), line("b", "PIPE-2", "5"), line("c", "VALVE-3", "1"),
            line("d", "VALVE-3", "1"),
        )  # fmt: skip
        for _ in range(2):
            assert one.run()["exit"] == 1
            assert lines_of(one, "w1") == [("PUMP-1", "4"), ("PIPE-2", "3"), ("VALVE-3", "1"), ("VALVE-3", "1")]
            assert problem(one)["code"] == "lines_rejected"
            assert "PIPE-2" in problem(one)["message"]
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=False)
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "4"), ("PIPE-2", "5"), ("VALVE-3", "1"), ("VALVE-3", "1")]
        in_step(one)


def test_an_unknown_article_beside_a_refused_line_is_still_tried_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=True)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PIPE-2", "3"), line("c", "NIEUW-9", "1"))
        assert one.run()["exit"] == 1
        assert codes(one) == ["article_unknown", "lines_rejected"]
        one.box.accountview.edit("ARTICLE", "PIPE-2", REC_BLK=False)
        assert one.run()["exit"] == 1
        assert codes(one) == ["article_unknown"]
        one.box.accountview.add("ARTICLE", ART_CODE="NIEUW-9", ART_DESC1="Nieuw", PRICE="1")
        goes(one)
        assert sorted(lines_of(one, "w1")) == [("NIEUW-9", "1"), ("PIPE-2", "3"), ("PUMP-1", "2")]
        in_step(one)


def test_a_locked_order_is_tried_again(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        work_order(one, "w1")
        goes(one)
        number = werkbon(one, "w1")["order_number"]
        one.box.accountview.lock("SO_HDR", number)
        change(one, "w1", status="checked", lines=[line("a", "PUMP-1", "2"), line("b", "PIPE-2", "1")])
        assert one.run()["exit"] == 1
        assert problem(one)["code"] == "lines_rejected"
        assert "in gebruik" in problem(one)["message"]
        one.box.accountview.unlock("SO_HDR", number)
        goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "2"), ("PIPE-2", "1")]
        in_step(one)


# adopted orders


def test_on_an_adopted_order_an_equal_line_counts_as_sent(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        sales_order(one, "500")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="PUMP-1", ORD_QTY="2")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="VALVE-3", ORD_QTY="1")
        before = look(one.box)
        ticked = line("a", "PUMP-1", "2.0"), line("b", "PUMP-1", "2"), line("c", "PIPE-2", "1")
        checked(one, "w1", *ticked, order_number="500")
        checked(one, "w2", line("z", "PUMP-1", "2"))
        goes(one)
        assert standing(one, "500") == [("PUMP-1", "2"), ("VALVE-3", "1"), ("PUMP-1", "2"), ("PIPE-2", "1")]
        assert lines_of(one, "w2") == [("PUMP-1", "2")]
        in_step(one, before)


def test_an_adopted_order_whose_lines_all_stand_there_is_not_written(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        sales_order(one, "500", COMMENT1="Ketel w1")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="PUMP-1", ORD_QTY="2")
        checked(one, "w1", line("a", "PUMP-1", "2"), order_number="500")
        goes(one)
        assert sent(one, "accountview") == []
        recheck(one, "w1", line("a", "PUMP-1", "3"))
        goes(one)
        assert standing(one, "500") == [("PUMP-1", "3")]
        in_step(one)


def test_a_work_order_made_again_does_not_invoice_its_lines_twice(tmp_path: Path) -> None:
    with shop(tmp_path, {**FLOWS, "orders": "both"}) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        checked(one, "w2", line("z", "PUMP-1", "2"))
        goes(one)
        number = werkbon(one, "w1")["order_number"]
        one.box.crafter.remove("work-orders", "w1")
        goes(one)
        (again,) = [bon for bon in one.box.crafter.records("work-orders") if bon["order_number"] == number]
        change(one, again["id"], status="checked", lines=[line("b", "PUMP-1", "2"), line("c", "PIPE-2", "1")])
        goes(one)
        assert standing(one, number) == [("PUMP-1", "2"), ("PIPE-2", "1")]
        in_step(one, but=(number,))  # its EXT_ID still names the work order that is no more


# answers in other shapes


@pytest.mark.parametrize("shape", ["empty_write_body", "nest_details", "bare_single"])
def test_lines_are_known_again_whatever_the_shape_of_the_answer(tmp_path: Path, shape: str) -> None:
    with shop(tmp_path, FLOWS, **{shape: True}) as one:
        before = look(one.box)
        checked(one, "w1", line("a", "PUMP-1", "2"), line("b", "PUMP-1", "2"))
        checked(one, "w2", line("z", "PUMP-1", "2"))
        one.run()
        goes(one)
        recheck(one, "w1", line("a", "PUMP-1", "2"), line("b", "PUMP-1", "7"), line("c", "PIPE-2", "1"))
        recheck(one, "w2", line("z", "PUMP-1", "9"))
        goes(one)
        assert sorted(lines_of(one, "w1")) == [("PIPE-2", "1"), ("PUMP-1", "2"), ("PUMP-1", "7")]
        assert lines_of(one, "w2") == [("PUMP-1", "9")]
        in_step(one, before)


def test_a_quantity_that_accountview_stores_otherwise_does_not_double_the_line(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        goes(one)
        coarse = one.box.accountview.dictionary.tables["SO_LINE"].columns["ORD_QTY"]
        object.__setattr__(coarse, "decimals", 2)  # since the metadata was read
        checked(one, "w1", line("a", "PUMP-1", "1.2345"), line("b", "PUMP-1", "1"), line("c", "PIPE-2", "0.3333"))
        for _ in range(3):
            goes(one)
        assert lines_of(one, "w1") == [("PUMP-1", "1.23"), ("PUMP-1", "1"), ("PIPE-2", "0.33")]


def test_a_checked_work_order_is_invoiced_in_the_run_that_makes_its_order(tmp_path: Path) -> None:
    with shop(tmp_path, FLOWS) as one:
        checked(one, "w1", line("a", "PUMP-1", "2"))
        result = one.run()
        assert (result["exit"], result["flows"]["invoice"]["created"]) == (0, 1)
        assert lines_of(one, "w1") == [("PUMP-1", "2")]
        in_step(one)


def test_an_imported_order_takes_the_lines_of_its_work_order(tmp_path: Path) -> None:
    with shop(tmp_path, {**FLOWS, "orders": "import"}) as one:
        sales_order(one, "500")
        one.box.accountview.add("SO_LINE", ORD_NR="500", ART_CODE="VALVE-3", ORD_QTY="1")
        goes(one)
        (bon,) = one.box.crafter.records("work-orders")
        ticked = [line("a", "PUMP-1", "2"), line("b", "VALVE-3", "1")]
        change(one, bon["id"], status="checked", lines=ticked)
        goes(one)
        assert standing(one, "500") == [("VALVE-3", "1"), ("PUMP-1", "2"), ("VALVE-3", "1")]
        in_step(one)
