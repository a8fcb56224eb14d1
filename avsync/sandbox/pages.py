"""Web pages by which a person looks at both services and works in them by hand, under / and /records on each port."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from avsync.sandbox.accountview.values import RefusedError
from avsync.sandbox.pages_accountview import Books
from avsync.sandbox.pages_crafter import Planning
from avsync.sandbox.pages_parts import Row, Side

PAGE = 50
MISTAKES = (RefusedError, ValueError, KeyError)


def accountview_pages(box: Any) -> Blueprint:
    """The pages of AccountView: its tables, an order with its lines."""
    return _pages(Books(box.accountview))


def crafter_pages(box: Any) -> Blueprint:
    """The pages of Crafter: its records, each with its tijdlijn."""
    return _pages(Planning(box.crafter))


def _pages(side: Side) -> Blueprint:
    pages = Blueprint("pages", __name__, template_folder="templates")
    views = _Views(side)
    pages.add_url_rule("/", "index", views.index)
    pages.add_url_rule("/records/<place>", "many", views.many)
    pages.add_url_rule("/records/<place>/new", "new", views.new, methods=["GET", "POST"])
    pages.add_url_rule("/records/<place>/<path:key>", "one", views.one, methods=["GET", "POST"])
    return pages


class _Views:
    """Index, list, and a record with its form; the side knows what there is to see."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def index(self) -> str:
        return render_template("index.html", side=self.side, news=self.side.news())

    def many(self, place: str) -> str:
        self._known(place)
        wanted = request.args.get("q", "").strip()
        rows = self.side.rows(place)
        if wanted:
            rows = [row for row in rows if self._mentions(place, row, wanted.casefold())]
        page = max(1, request.args.get("page", 1, type=int))
        shown = rows[(page - 1) * PAGE : page * PAGE]
        more = len(rows) > page * PAGE
        return render_template(
            "list.html", side=self.side, place=place, rows=shown, total=len(rows), page=page, more=more, wanted=wanted
        )

    def new(self, place: str) -> str | Response:
        self._known(place)
        if request.method == "POST":
            return self._save(place, None)
        return self._form(place, None, self.side.blank(place) | request.args.to_dict())

    def one(self, place: str, key: str) -> str | Response:
        self._known(place)
        row = self.side.find(place, key)
        if row is None:
            abort(404)
        if request.method == "POST" and "delete" in request.form:
            self.side.remove(place, key)
            return redirect(url_for(".many", place=place))
        if request.method == "POST":
            return self._save(place, row)
        return self._form(place, row, row)

    def _save(self, place: str, row: Row | None) -> str | Response:
        form = request.form.to_dict()
        try:
            key = self.side.save(place, row, form)
        except MISTAKES as error:
            return self._form(place, row, (row or self.side.blank(place)) | form, getattr(error, "message", str(error)))
        return redirect(url_for(".one", place=place, key=key, saved=1))

    def _form(self, place: str, row: Row | None, values: Row, mistake: str = "") -> str:
        return render_template(
            "record.html",
            side=self.side,
            place=place,
            row=row,
            values=values,
            inputs=self.side.inputs(place, row is None),
            parts=self.side.parts(place, row) if row else [],
            timeline=self.side.timeline(place, row) if row else None,
            mistake=mistake,
        )

    def _mentions(self, place: str, row: Row, wanted: str) -> bool:
        names = (name for name, _ in self.side.columns(place))
        return any(wanted in self.side.show(place, row, name).text.casefold() for name in names)

    def _known(self, place: str) -> None:
        if place not in {known.name for known in self.side.places()}:
            abort(404)
