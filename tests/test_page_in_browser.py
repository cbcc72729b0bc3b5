"""The page of `repro report` as a reader has it, in Chromium."""

import re
import shutil

import pytest
from made_pages import page as html

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
DESK, PHONE = 1280, 360
ALL_OPEN = "document.querySelectorAll('details').forEach(each => each.open = true)"
# what a reader cannot scroll to: it ends beyond the window, and nothing around it scrolls
CUT_OFF = """[...document.body.querySelectorAll('*')].filter(element => {
  const { left, right, width } = element.getBoundingClientRect();
  const out = width > 0 && (left < -1 || right > window.innerWidth + 1);
  return out && !element.closest('.wide *') && !element.matches('.skip');
}).map(element => element.outerHTML.slice(0, 200))"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(html(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page in a window of some width; in the end no error was said, and nothing else asked for."""
    said, asked, contexts = [], [], []

    def at(width=DESK, **how):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, reduced_motion="reduce", **how
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield at
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {address}


def column(page, name):
    """The cells that are shown of a column of the table of curves."""
    cells = """([key, name]) => {
      const table = document.querySelector(`#table-${key} table`);
      const at = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === name);
      return [...table.querySelectorAll('tbody tr:not(.name)')]
        .filter(row => row.checkVisibility()).map(row => row.cells[at].textContent.trim());
    }"""
    return page.evaluate(cells, ["experiment-curves", name])


@pytest.fixture
def curves(opened):
    page = opened()
    page.click("#of-experiment-curves > summary")
    return page


def natural(text):
    """As people sort names: 6 before 18."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def test_tables_sort_numbers_as_numbers_and_words_as_words_both_ways(curves):
    before = column(curves, "ours")
    assert sorted(before) != sorted(before, key=float), "words would be sorted otherwise"
    box = curves.locator("#table-experiment-curves")
    for name, key in (("ours", float), ("variant", natural)):
        head = box.get_by_role("columnheader", name=name, exact=True)
        for order in ("ascending", "descending"):
            head.get_by_role("button").click()
            cells = column(curves, name)
            assert cells == sorted(cells, key=key, reverse=order == "descending")
            assert head.get_attribute("aria-sort") == order
        assert box.locator("th[aria-sort]").count() == 1
    assert sorted(column(curves, "ours")) == sorted(before)


def test_signs_count_and_what_has_no_number_comes_last_both_ways(curves):
    button = curves.locator("#table-experiment-curves").get_by_role("button", name="difference")
    for backwards in (False, True):
        button.click()
        cells = column(curves, "difference")
        numbers = [float(cell.split()[0]) for cell in cells if cell != "–"]
        assert min(numbers) < 0 < max(numbers) and numbers == sorted(numbers, reverse=backwards)
        assert "–" not in cells[: len(numbers)] and len(numbers) < len(cells)


def test_tables_filter_and_say_how_many_rows_are_left(curves):
    box = curves.locator("#table-experiment-curves")
    n = len(column(curves, "variant"))
    said = box.get_by_role("status")
    assert said.inner_text() == f"{n} of {n} rows"
    box.get_by_label("only rows with").fill("PCA 18")
    shown = column(curves, "variant")
    assert shown and all("pca" in name for name in shown) and said.inner_text() == f"{len(shown)} of {n} rows"
    box.get_by_label("only rows with").fill("nobody")
    assert column(curves, "variant") == [] and said.inner_text() == f"0 of {n} rows"
    box.get_by_label("only rows with").fill("")
    box.get_by_label("metric", exact=True).select_option("all")
    assert len(column(curves, "variant")) > n
    box.get_by_label("metric", exact=True).select_option("train_squared_error")
    assert 0 < len(column(curves, "variant")) <= n


def test_verdicts_open_by_click_and_by_keyboard(opened):
    page = opened()
    conditions = page.get_by_role("table", name="Conditions of C1", exact=True)
    assert not conditions.is_visible()
    page.click("#claim-C1 > summary")
    assert conditions.is_visible()
    page.keyboard.press("Enter")
    assert not conditions.is_visible()
    page.keyboard.press("Space")
    assert conditions.is_visible()


def test_the_keyboard_goes_first_to_the_answer(opened):
    page = opened()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the answer")
    assert skip.evaluate(
        "element => element === document.activeElement && element.getBoundingClientRect().left >= 0"
    )
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-labelledby')"
    assert page.evaluate(focused) == "answer-caption", "the table, which the keyboard can scroll"


def test_a_number_leads_to_its_records(curves):
    curves.locator("#table-experiment-curves tbody:not([hidden]) a").first.click()
    target = curves.locator("tr:target")
    assert target.is_visible() and "repro run curves --profile paper" in target.inner_text()


def test_picking_a_machine_moves_the_eras(opened):
    page = opened()
    names = page.get_by_label("machine", exact=True).locator("option").all_inner_texts()[:-1]
    assert len(names) > 3
    lanes = page.locator("#axis .lane")
    places = {}
    for name in names:
        page.get_by_label("machine", exact=True).select_option(name)
        assert name in page.locator("#axis").get_attribute("aria-label")
        lane = lanes.filter(has_text="one direct run as published").first
        rows = page.locator("#table-time tbody:not([hidden]) tr:not(.name)")
        shown = sum(lanes.nth(i).locator(".dot").is_visible() for i in range(lanes.count()))
        assert (
            page.locator("#table-time [role=status]").inner_text() == f"{rows.count()} of {rows.count()} rows"
        )
        assert (
            shown
            == page.locator("#table-time tbody:not([hidden]) td[data-size]:not([data-size=nan])").count()
        )
        if lane.locator(".dot").is_visible():
            places[name] = lane.locator(".dot").bounding_box()["x"]
    slow, fast = (places[name] for name in names[:2])
    assert slow > fast, "days stand right of hours"


@pytest.mark.parametrize("opening", ["closed", "opened"])
def test_nothing_is_cut_off_on_a_phone(opened, opening):
    page = opened(PHONE)
    if opening == "opened":
        page.evaluate(ALL_OPEN)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert page.evaluate(CUT_OFF) == []


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_axe_finds_no_violation(opened, width):
    for opening, scheme in (("", "dark"), (ALL_OPEN, "light")):
        page = opened(width, color_scheme=scheme)
        page.evaluate(opening)
        found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_on_paper_all_is_open_and_nothing_is_to_press(opened):
    page = opened()
    page.emulate_media(media="print")
    assert page.get_by_role("table", name="Conditions of C1", exact=True).is_visible()
    assert page.locator("tr[id^=run-]").first.is_visible()
    assert not page.get_by_label("machine", exact=True).is_visible() and not page.locator("nav").is_visible()


def test_without_the_script_every_row_is_there(opened):
    page = opened(java_script_enabled=False)
    page.click("#of-experiment-curves > summary")
    rows = page.locator("#table-experiment-curves tbody tr")
    assert rows.first.is_visible() and rows.last.is_visible()
    assert not page.locator("#table-experiment-curves .controls").is_visible()
    assert not page.locator("#axis").is_visible() and page.locator("#table-time tbody").last.is_visible()
