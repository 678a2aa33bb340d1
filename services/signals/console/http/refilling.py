"""A page with what was typed put into its form again: whatever form it is, by its address and the
names of its fields. Pure.

Hidden fields stay as the page has them: they say which thing the form is of, as it is now. Of
several forms to one address it is the one whose hidden fields are those that were sent.
"""

from collections.abc import Iterable
from html import escape
from html.parser import HTMLParser

from services.signals.console.http.forms import FIELD, Posted

KEPT_AS_THEY_ARE = ("hidden", "submit", "button", "image", "reset", "file", "password")
OF_THE_PAGE = (
    FIELD,
    "back",
    "edition",
    "once",
)  # hidden fields that need not be those that were sent
LONGEST_SHOWN = 2_000

Attributes = list[tuple[str, str | None]]


def refilled(page: str, action: str, typed: Posted) -> str:
    """The page with a word of it at its top, and the form filled; where the page has no such form,
    what was typed stands below the word.
    """
    forms = _Forms(action)
    forms.feed(page)
    forms.close()
    number = forms.best(typed)
    if number is None:
        return _with_word(page, _left_over(typed))
    filling = _Filling(action, typed, number, forms.around[number])
    filling.feed(page)
    filling.close()
    word = "<p>Your session ended before this was sent: it is in the form again, and not saved.</p>"
    return _with_word("".join(filling.out), word)


class _Forms(HTMLParser):
    """The forms to an address: their hidden fields, and the closed parts of the page around them,
    by number.
    """

    def __init__(self, action: str) -> None:
        super().__init__(convert_charrefs=True)
        self._action = action
        self.hidden: list[dict[str, str]] = []
        self.around: list[frozenset[int]] = []
        self._details: list[int] = []
        self._seen = 0
        self._is_inside = False

    def best(self, typed: Posted) -> int | None:
        """The number of the form that was sent: of several, the one with the most of its hidden
        fields, and none of them otherwise.
        """
        if len(self.hidden) == 1:
            return 0
        same = [
            sum(typed[name] == value for name, value in hidden.items() if name in typed)
            if all(typed.get(name, value) == value for name, value in hidden.items())
            else 0
            for hidden in self.hidden
        ]
        return same.index(max(same)) if any(same) else None

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        said = dict(attrs)
        if tag == "details":
            self._details.append(self._seen)
            self._seen += 1
        elif tag == "form":
            self._is_inside = _is_to(said, self._action)
            if self._is_inside:
                self.hidden.append({})
                self.around.append(frozenset(self._details))
        elif tag == "input" and self._is_inside and said.get("type") == "hidden":
            name = said.get("name") or ""
            if name not in OF_THE_PAGE:
                self.hidden[-1][name] = said.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "details" and self._details:
            self._details.pop()
        elif tag == "form":
            self._is_inside = False


class _Filling(HTMLParser):
    """Writes the page as it is but for the fields of one form, and opens what it stands in."""

    def __init__(self, action: str, typed: Posted, number: int, around: frozenset[int]) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._action, self._typed, self._number, self._around = action, typed, number, around
        self._forms = self._details = 0
        self._is_inside = False
        self._left = {name: typed.all(name) for name in typed}
        self._select: list[str] | None = None
        self._option: Attributes | None = None
        self._swallows = False  # the text of a field that is written anew

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        said = dict(attrs)
        if tag == "details":
            if self._details in self._around and "open" not in said:
                attrs = [*attrs, ("open", None)]
                self.out.append(_tag(tag, attrs))
            else:
                self._as_it_is()
            self._details += 1
            return
        if tag == "form":
            self._is_inside = _is_to(said, self._action) and self._forms == self._number
            self._forms += _is_to(said, self._action)
        if not self._is_inside or tag not in ("input", "textarea", "select", "option"):
            self._as_it_is()
        elif tag == "option":
            self._begin_option(attrs)
        else:
            self._field(tag, attrs, said)

    def handle_endtag(self, tag: str) -> None:
        self._end_option("")
        if tag == "textarea":
            self._swallows = False
        elif tag == "select":
            self._select = None
        elif tag == "form":
            self._is_inside = False
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._option is not None:
            self._end_option(data.strip())
        if not self._swallows:
            self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self.out.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def _as_it_is(self) -> None:
        self.out.append(self.get_starttag_text() or "")

    def _field(self, tag: str, attrs: Attributes, said: dict[str, str | None]) -> None:
        name, kind = said.get("name") or "", (said.get("type") or "text").lower()
        if tag == "input" and kind in KEPT_AS_THEY_ARE:
            self._as_it_is()
        elif tag == "input" and kind in ("checkbox", "radio"):
            is_on = (said.get("value") or "on") in self._typed.all(name)
            self.out.append(_tag(tag, _switched(attrs, "checked", is_on)))
        elif name not in self._left:
            self._as_it_is()
        elif tag == "select":
            self._select = self._left[name]
            self._as_it_is()
        else:
            text = self._left[name].pop(0) if self._left[name] else ""
            if tag == "input":
                others = [one for one in attrs if one[0] != "value"]
                self.out.append(_tag(tag, [*others, ("value", text)]))
            else:
                self._as_it_is()
                self.out.append("\n" + escape(text))  # the first line break is none
                self._swallows = True

    def _begin_option(self, attrs: Attributes) -> None:
        self._end_option("")
        if self._select is None:
            self._as_it_is()
        elif "value" in dict(attrs):
            is_on = (dict(attrs)["value"] or "") in self._select
            self.out.append(_tag("option", _switched(attrs, "selected", is_on)))
        else:
            self._option = attrs

    def _end_option(self, text: str) -> None:
        """Of an option that is what it shows."""
        if self._option is not None:
            is_on = self._select is not None and text in self._select
            self.out.append(_tag("option", _switched(self._option, "selected", is_on)))
            self._option = None


def _is_to(said: dict[str, str | None], action: str) -> bool:
    return (said.get("method") or "").lower() == "post" and said.get("action") == action


def _switched(attrs: Attributes, name: str, is_on: bool) -> Attributes:
    others = [one for one in attrs if one[0] != name]
    return [*others, (name, None)] if is_on else others


def _tag(tag: str, attrs: Iterable[tuple[str, str | None]]) -> str:
    said = "".join(
        f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in attrs
    )
    return f"<{tag}{said}>"


def _left_over(typed: Posted) -> str:
    """What was typed, where the page has no form for it."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd><bdi>{escape(value[:LONGEST_SHOWN])}</bdi></dd>"
        for name, value in typed.pairs
        if value.strip() and name not in OF_THE_PAGE
    )
    said = "<p>Your session ended before this was sent. Nothing of it is saved:</p>"
    return f'{said}<dl class="names">{rows}</dl>'


def _with_word(page: str, word: str) -> str:
    """At the beginning of what the page is about."""
    begins = page.find('<main id="main"')
    at = page.find(">", begins) + 1 if begins >= 0 else 0
    return f'{page[:at]}\n<div class="errs" role="status">{word}</div>{page[at:]}'
