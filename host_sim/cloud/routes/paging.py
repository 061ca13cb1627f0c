"""How a client asks for a page of a list, and how it is told that there is another.

A list without `limit` gives as many as it may, so a client that knows nothing of pages gets what it always
got. Where there are more, the answer has the member `next_cursor` and the header `Link: <…>; rel="next"`.
A cursor begins with what its list is of, and no list takes the cursor of another one.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Response
from pydantic import BaseModel, Field

from host_sim.cloud.catalogue.pages import Page

MOST = 1000  # of a page
# For a route's `responses`.
LINKED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'the next page, `rel="next"`; not there on the last one',
                "schema": {"type": "string"},
            }
        }
    }
}


class Paged(BaseModel):
    """The route has `response_model_exclude_unset`, so that `next_cursor` is there only where it is given."""

    count: int = Field(description="of this page", examples=[1])
    next_cursor: str | None = None  # `cursor_of` in each list's own


def cursor_of(of: str) -> Any:
    """The member `next_cursor` of a page of this list."""
    told = "gives the next page as `cursor`; not there on the last"
    return Field(None, description=told, examples=[cursor_example(of)])


def page_of(of: str, most: int = MOST, usual: int | None = None) -> Any:
    """A route's parameter: the Page that is asked for. `of`: what the list is of, small letters and _.

    `most`: rows of a page; `usual`: where the request names no number.
    """

    def page(
        limit: Annotated[int, Query(ge=1, le=most, description="of a page")] = usual or most,
        cursor: Annotated[
            str | None,
            Query(
                pattern=cursor_pattern(of),
                description="`next_cursor` of the page before",
                examples=[cursor_example(of)],
            ),
        ] = None,
    ) -> Page:
        if cursor is None:
            return Page(limit, of=of)
        _, at, name = cursor.split(".", 2)
        return Page(limit, (int(at), name), of)

    return Depends(page)


def cursor_pattern(of: str) -> str:
    """What a cursor of this list, and of no other one, looks like."""
    return rf"^{of}\.[0-9]{{1,15}}\.[A-Za-z0-9_.:-]{{1,64}}$"


def cursor_example(of: str) -> str:
    return f"{of}.1767225600000.9f86d081884c7d659a2feaa0c55ad015"


def parted(
    rows: Sequence[Any], page: Page, response: Response, name: str = "id", **asked: Any
) -> tuple[list[Any], dict[str, str]]:
    """The rows of the page out of what `pages.rows_of` found, and `next_cursor` where that was one more.

    `name`: of the column that tells rows of the same time apart. `asked`: what else the query said, or None.
    """
    shown = list(rows[: page.limit])
    return shown, following(shown, len(rows) > page.limit, page, response, name, **asked)


def following(
    shown: Sequence[Any], more: bool, page: Page, response: Response, name: str = "id", **asked: Any
) -> dict[str, str]:
    """`next_cursor` where there are more rows than those that are shown; as `parted`."""
    if not more:
        return {}
    cursor = f"{page.of}.{shown[-1].created_at}.{getattr(shown[-1], name)}"
    linked(response, page.limit, cursor, **asked)
    return {"next_cursor": cursor}


def linked(response: Response, limit: int, cursor: str, **asked: Any) -> None:
    """The header that leads to the next page; relative, since only the client knows how it got here."""
    given = {name: value for name, value in asked.items() if value is not None}
    query = urlencode({**given, "limit": limit, "cursor": cursor})
    response.headers["Link"] = f'<?{query}>; rel="next"'
