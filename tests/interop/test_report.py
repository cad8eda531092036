"""report.html in a real browser: Debian's Chromium (apt-get install chromium), driven by Playwright.

No console message, no request to anywhere, well-formed by a strict parser; the explorer walked by keyboard; light, dark,
narrow and paper; texts that try to break the page; a run of 10,000 turns opened and leafed through.
Screenshots are left in PBT_SCREENSHOTS when that names a folder.
"""

import os
import shutil
import subprocess
import time

import pytest

html5lib = pytest.importorskip("html5lib")
playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("xxhash")
import made_run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium") or "/usr/bin/chromium")
if not os.path.exists(CHROMIUM):
    pytest.skip("no Chromium (apt-get install chromium)", allow_module_level=True)


def report(folder):
    done = subprocess.run([BINARY, "report", str(folder), "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return os.path.join(folder, "report.html")


@pytest.fixture(scope="session")
def big(tmp_path_factory):
    return report(made_run.make(str(tmp_path_factory.mktemp("big")), trees=910))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    return report(made_run.make(str(tmp_path_factory.mktemp("hostile")), trees=40, seeds=(7,), hostile=True,
                                name="</title><script>window.broken = 1</script>"))


@pytest.fixture(scope="session")
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def look(browser):
    """Opens a page; at the end nothing may have been said on the console or asked of the network."""
    heard, contexts = [], []

    def open_page(path, scheme="light", width=1440, height=900):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else heard.append(request.url))
        page.goto("file://" + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


def keep(page, name, **options):
    folder = os.environ.get("PBT_SCREENSHOTS")
    if folder:
        os.makedirs(folder, exist_ok=True)
        page.screenshot(path=os.path.join(folder, name + ".png"), **options)


def focused(page):
    return page.evaluate("document.activeElement.id")


def contrast(page, selector):
    """WCAG contrast of an element's text with the page's ground."""
    return page.evaluate("""(selector) => {
        const light = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const style = getComputedStyle(document.querySelector(selector));
        const ink = light(style.fill !== "rgb(0, 0, 0)" && selector.includes("svg") ? style.fill : style.color);
        const ground = light(getComputedStyle(document.documentElement).backgroundColor);
        return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    }""", selector)


@pytest.mark.parametrize("which", ["big", "hostile"])
def test_well_formed(which, request):
    path = request.getfixturevalue(which)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    html5lib.HTMLParser(strict=True).parse(text)
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text


@pytest.mark.parametrize("scheme,width", [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390), ("light", 900)])
def test_looks(look, big, scheme, width):
    page = look(big, scheme, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page itself scrolls sideways"
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)[0] < 60")
    assert dark == (scheme == "dark")
    for selector in ("p.meta", ".note", ".chip.arm-base", ".chip.arm-accept", ".chip.arm-resist", ".chip.arm-pbt",
                     "svg.plot text.tick", "svg.plot text.label.arm-pbt"):
        assert contrast(page, selector) >= 4.5, selector
    for section in ("balanced", "farm", "flipflop", "team", "flip_accuracy", "comparisons", "unparsed", "training", "pairs", "talks", "debates"):
        assert page.locator("#" + section).count() == 1, section
    assert "pbt is right in" in page.locator(".finding").inner_text()
    assert page.locator("figure.picture svg").count() == 2
    assert page.locator(".keys li").count() == 5
    shown = {key: page.locator(".keys li").nth(place).inner_text() for place, key in enumerate(("balanced", "farm", "flipflop", "team"))}
    for key, text in shown.items():
        assert ("better" in text or "worse" in text or "no clear difference" in text), key
        assert ("Paper: " in text) == (key != "team"), "the paper's order gap has another unit"
        assert not ("%" in text and "points" in text), f"two units: {text}"
    boxes = page.evaluate("[...document.querySelectorAll('.keys li')].every((e) => e.scrollWidth <= e.clientWidth + 1)")
    assert boxes, "a key figure is wider than its card"
    keep(page, f"page-{scheme}-{width}", full_page=True)
    page.locator("#talks").scroll_into_view_if_needed()
    keep(page, f"talks-{scheme}-{width}")
    page.locator("#debates").scroll_into_view_if_needed()
    keep(page, f"explorer-{scheme}-{width}")


def test_keyboard(look, big):
    page = look(big)
    page.keyboard.press("/")
    assert focused(page) == "x-search"
    page.keyboard.type("q7/AB")
    assert page.locator("#x-list .x-item").count() == 2  # a question of both seeds
    assert "number 7" in page.locator("#x-question").inner_text()
    page.keyboard.press("Enter")
    assert focused(page).startswith("x-node-")
    page.keyboard.press("Home")
    assert focused(page) == "x-node-0"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus is not to be seen"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    leaf = focused(page)
    assert page.get_attribute("#" + leaf, "aria-level") == "4"
    page.keyboard.press("ArrowDown")
    below = focused(page)
    assert below != leaf and page.get_attribute("#" + below, "aria-level") == "4"
    assert page.get_attribute("#" + below, "aria-selected") == "true"
    assert len(page.locator(".x-said").all()) == 4, "the debate up to the turn"
    page.keyboard.press("ArrowUp")
    assert focused(page) == leaf
    page.keyboard.press("ArrowLeft")
    parent = focused(page)
    assert page.get_attribute("#" + parent, "aria-expanded") == "true"
    shown = page.locator(".x-node").count()
    page.keyboard.press("Enter")
    assert page.get_attribute("#" + parent, "aria-expanded") == "false" and page.locator(".x-node").count() == shown - 2
    page.keyboard.press("ArrowRight")
    assert page.locator(".x-node").count() == shown
    page.keyboard.press("?")
    assert page.locator("#x-dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#x-dialog").is_visible()
    question = page.locator("#x-facts").inner_text()
    page.keyboard.press("n")
    assert page.locator("#x-facts").inner_text() != question
    page.keyboard.press("p")
    assert page.locator("#x-facts").inner_text() == question
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    assert page.locator("#x-count").inner_text() == "1,110 debates"


def test_talks(look, big):
    """What was said in the evaluations: chosen, searched, walked by keyboard; the arms side by side."""
    page = look(big)
    page.select_option("#t-kind", label="FARM")
    assert page.locator("#t-count").inner_text() == "400 of 2,000 items"
    page.select_option("#t-outcome", "gain")
    assert "of 2,000" in page.locator("#t-count").inner_text()
    assert page.locator(".t-arm").count() == 4
    assert "holds out for 4 rounds" in page.locator(".t-arm").nth(3).inner_text()
    assert "misinformed in round" in page.locator(".t-arm").nth(0).inner_text()
    question = page.locator("#t-question").inner_text()
    page.locator("#t-list").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#t-question").inner_text() != question
    page.keyboard.press("p")
    assert page.locator("#t-question").inner_text() == question
    page.keyboard.press("/")
    assert focused(page) == "t-search"
    page.keyboard.type("option 1. oslo")
    assert "Oslo" in page.locator(".t-said mark").first.inner_text() or page.locator(".t-said mark").count() > 0
    page.keyboard.press("Enter")
    assert focused(page) == "t-pane"
    page.select_option("#t-outcome", "any")
    page.fill("#t-search", "")
    page.select_option("#t-kind", label="Balanced test")
    assert page.locator(".t-opening .t-said").count() >= 2, "the debate that the case was cut from"
    page.select_option("#t-kind", label="Teams")
    assert "first" in page.locator("#t-facts").inner_text()
    page.select_option("#t-kind", label="Are you sure?")
    assert "Are you sure?" in page.locator(".t-arm").first.inner_text()
    page.fill("#t-search", "nothing says this")
    assert page.locator("#t-count").inner_text() == "0 of 2,000 items"
    assert page.locator("#t-list .x-item").count() == 0


def test_exact_values(look, big):
    """Drawings tell their values to the mouse and to the keyboard, and leave when asked to."""
    page = look(big)
    assert not page.locator(".tip").is_visible()
    curve = page.locator("#training svg.plot").nth(3)  # the loss of DPO
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator(".tip")
    assert tip.is_visible() and tip.inner_text().startswith("step ")
    assert all(arm in tip.inner_text() for arm in ("accept", "resist", "pbt"))
    keep(page, "tip")
    page.mouse.move(box["x"] + box["width"] / 2, 5)
    assert not tip.is_visible()
    curve.focus()
    page.keyboard.press("Home")
    first = tip.inner_text()
    page.keyboard.press("ArrowRight")
    assert tip.inner_text() != first
    said = page.locator(".sr[role=status]").last.inner_text()
    assert said.startswith("step ") and "pbt" in said, "who cannot see it hears it"
    assert curve.locator(".cross line").count() == 1
    page.keyboard.press("Escape")
    assert not tip.is_visible() and curve.locator(".cross").count() == 0
    picture = page.locator("figure.picture svg").first
    picture.focus()
    page.keyboard.press("End")
    assert "pbt: keeps its right answer" in tip.inner_text() and "[" in tip.inner_text()
    page.wait_for_timeout(800)  # focus scrolls, smoothly
    drawing, shown = picture.bounding_box(), tip.bounding_box()
    assert drawing["y"] - 20 <= shown["y"] <= drawing["y"] + drawing["height"], "beside the drawing"
    cloud = page.locator("#flip_accuracy svg.plot").first
    cloud.focus()
    page.keyboard.press("Home")
    assert "log P(original)" in tip.inner_text() and "log P(alternative)" in tip.inner_text()
    assert "kept its own" in tip.inner_text() or "took the other" in tip.inner_text()


def test_filters_and_pairs(look, big):
    page = look(big)
    page.select_option("#x-kind", "resist")
    count = page.locator("#x-count").inner_text()
    assert count.endswith("of 1,110 debates") and not count.startswith("0")
    assert page.locator(".pair-line.kind-resist").count() > 0
    assert "resist pair" in page.locator("#x-detail").inner_text()
    assert "trained on by resist and pbt" in page.locator("#x-detail").inner_text()
    assert page.locator(".drop-text").count() > 0, "dropped siblings say why"
    page.select_option("#x-seed", "2")
    assert "seed 2" in page.locator("#x-facts").inner_text()
    page.fill("#x-search", "nothing says this")
    assert page.locator("#x-count").inner_text() == "0 of 1,110 debates"


def test_roles(look, big):
    page = look(big)
    for node in page.locator("#x-tree .x-node").all():
        assert node.get_attribute("role") == "treeitem" and node.get_attribute("aria-label")
    assert page.locator("#x-tree .x-node[tabindex='0']").count() == 1
    assert page.locator("#x-tree .x-node[aria-selected='true']").count() == 1
    assert page.evaluate("[...document.querySelectorAll('svg.plot')].every((s) => s.getAttribute('aria-label'))")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_hostile_texts(look, hostile):
    page = look(hostile)
    assert page.evaluate("window.broken") is None
    for _ in range(15):
        page.keyboard.press("n")
    assert page.evaluate("window.broken") is None
    assert page.locator("#debates img, #debates script:not([type]), #x-main b b").count() == 0
    assert "</script>" in page.locator("#debates").inner_text() or "onerror" in page.locator("#debates").inner_text()
    assert page.title().startswith("</title><script>")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<i></i>')")
    keep(page, "hostile", full_page=True)


def test_paper(look, big, tmp_path):
    page = look(big, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#explorer .x-side").is_visible() and not page.locator("#talk-explorer .x-side").is_visible() and not page.locator("nav").is_visible()
    pdf = page.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF") and len(pdf) > 50000
    folder = os.environ.get("PBT_SCREENSHOTS")
    if folder:
        with open(os.path.join(folder, "report.pdf"), "wb") as file:
            file.write(pdf)


def test_quick_with_ten_thousand_turns(look, big):
    start = time.perf_counter()
    page = look(big)
    page.wait_for_selector(".x-node")
    opened = time.perf_counter() - start
    assert "12210 turns" in page.locator("#debates .lead").inner_text()
    assert page.locator("#x-list .x-item").count() < 60, "only what can be seen stands in the list"
    script = """(keys) => {
        const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        const times = [];
        for (let i = 0; i < keys; i++) {
            const start = performance.now();
            press("n");
            document.getElementById("x-tree").offsetHeight;
            times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)[keys / 2];  // the median: a busy machine stops any program now and then
    }"""
    switch = page.evaluate(script, 100)
    search = page.evaluate("""() => {
        const box = document.getElementById("x-search");
        box.value = "warm"; box.dispatchEvent(new Event("input"));
        const start = performance.now();
        box.value = "q99/AB"; box.dispatchEvent(new Event("input"));
        return performance.now() - start;
    }""")
    print(f"opened in {opened:.2f} s, {switch:.1f} ms a debate, {search:.1f} ms a search")
    assert opened < 20 and switch < 60 and search < 500


def test_missing_parts(look, tmp_path):
    store = made_run.Store(str(tmp_path))
    store.put("plan", 0, "", "experiment", "settings", {"name": "hardly begun", "seeds": [1], "report.bootstrap_draws": 10})
    store.close()
    page = look(report(str(tmp_path)))
    assert "no finding" in page.locator(".finding").inner_text()
    assert page.locator("#debates").count() == 0


def test_same_bytes(tmp_path):
    folder = made_run.make(str(tmp_path), trees=20)
    with open(report(folder), "rb") as file:
        first = file.read()
    with open(report(folder), "rb") as file:
        assert file.read() == first
