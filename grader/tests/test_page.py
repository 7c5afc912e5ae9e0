"""The pages of results: what they say, that nothing in them can act, and how they work in a browser."""

import base64
import hashlib
import os
import random
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from grader import results as batch_results
from grader.report import alike, excerpt, html, measures
from grader.tests import made_up
from grader.tests import synthetic as syn
from grader.transcript import Ending

COUNT = 60
STATES = made_up.states()


# What the pages rest on.

def test_failures_of_the_same_task_ending_and_function_are_one_group_whatever_their_addresses():
    def one(id, address, pid):
        fault = [f"usertrap(): unexpected scause 0xd pid={pid}", f"            sepc=0x5c stval={address}"]
        run = syn.run("mmaptest", [syn.named("basic").title, *fault], Ending.FAILED)
        runs = [run if each.program == "mmaptest" else each for each in syn.stage_runs(3)]
        return made_up.result(id, made_up.grade(3, runs))

    found = [group for group in alike.groups([one("a", "0x40000000", 3), one("b", "0x40001000", 14)]) if group.signature.task == 4]
    assert [(len(group.members), group.signature.ending, group.signature.function) for group in found] == [(2, "failed", "check")]


def test_a_group_names_first_who_has_least_else_wrong_and_the_largest_comes_first():
    groups = alike.groups([made_up.result(id, made_up.grade(stage)) for id, stage in (("b", 3), ("a", 4), ("c", 4), ("d", 8))])
    sizes = [len(group.members) for group in groups]
    assert sizes == sorted(sizes, reverse=True) and [group.number for group in groups] == list(range(1, len(groups) + 1))
    five = next(group for group in groups if group.signature.task == 5)
    assert [result.id for result in five.members] == ["a", "c"]


def test_what_was_not_graded_is_alike_by_its_reason_and_a_pass_by_nothing():
    found = [replace(STATES["nobuild"], id=id, why=f"does not build: kernel/mmap.c:{line}: 'x' undeclared") for id, line in (("a", 3), ("b", 40))]
    assert [len(group.members) for group in alike.groups([*found, STATES["full"], STATES["failed"]])] == [2]


def test_hidden_tests_group_by_themselves():
    signs = [found.signature for found in alike.failures(STATES["capped"])]
    assert [(sign.task, sign.test, sign.function) for sign in signs] == [(5, "split", "secret_function")]


def test_discrimination_is_the_correlation_with_the_rest():
    results = [made_up.result(str(n), made_up.grade(stage)) for n, stage in enumerate((1, 4, 6, 8, 8, 3))]
    items = measures.items(results)
    for item in items:
        mine = [result.grade.tasks[item.number - 1].score / item.max_score for result in results]
        rest = [result.grade.score - result.grade.tasks[item.number - 1].score for result in results]
        assert item.difficulty == pytest.approx(sum(mine) / 6)
        if len(set(mine)) == 1:
            assert item.discrimination is None
        else:       # point-biserial, as textbooks have it, for tasks that are all or nothing
            passed = [r for m, r in zip(mine, rest) if m == 1]
            lost = [r for m, r in zip(mine, rest) if m == 0]
            share = len(passed) / 6
            spread = (sum((r - sum(rest) / 6) ** 2 for r in rest) / 6) ** 0.5
            expected = (sum(passed) / len(passed) - sum(lost) / len(lost)) / spread * (share * (1 - share)) ** 0.5
            assert item.discrimination == pytest.approx(expected)
    assert items[0].discrimination is None and items[3].discrimination is not None


def test_only_what_was_graded_counts_for_tasks():
    assert measures.items([STATES["nobuild"], STATES["failed"]]) == [] and measures.items([]) == []
    assert [item.count for item in measures.items([STATES["full"], STATES["nobuild"]])] == [1] * 8


def test_scores_fall_into_bins_and_full_marks_have_their_own():
    spread = measures.spread([replace(STATES["full"], score=score) for score in (0, 9.99, 10, 99.5, 100, None)], 100)
    assert [one.count for one in spread.bins] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1] and spread.count == 5
    assert measures.spread([STATES["failed"]], 100) is None


def test_endings_count_runs_and_submissions():
    counted = {ending: (runs, mine) for ending, runs, mine in measures.endings([STATES["full"], STATES["half"], STATES["failed"]])}
    assert counted["panicked"] == (1, 1) and counted["done"][1] == 2


def test_a_long_text_is_cut_around_its_marks():
    shown = excerpt.excerpt([f"line {n}" for n in range(1, 100001)], {50000})
    numbers = [line.number for line in shown if line.number]
    assert len(shown) < 300 and 50001 in numbers and numbers[0] == 1 and numbers[-1] == 100000
    assert [line.number for line in shown if line.marked] == [50001]
    assert sum(int(line.text.split()[0]) for line in shown if not line.number) + len(numbers) == 100000


def test_a_long_line_is_cut_and_says_so():
    line = excerpt.cut("x" * (1 << 20))
    assert len(line) < 500 and line.endswith(f"({(1 << 20) - 400} more characters)")


def test_a_line_is_found_by_what_the_report_says_also_where_it_says_two():
    lines = ["boot", *syn.FAULT, "mmaptest failure: x, pid=3"]
    assert excerpt.find(lines, "mmaptest failure: x, pid=3") == {3}
    assert excerpt.find(lines, " ".join(line.strip() for line in syn.FAULT)) == {1, 2}
    assert excerpt.find(lines, "") == excerpt.find(lines, "not there") == set()


def test_what_only_strict_grading_shows_is_told_by_its_own_run():
    found = made_up.in_strict_grading(made_up.grade(8))
    texts = {"transcripts/mmaptest.txt": "fine\n", "transcripts/strict-mmaptest.txt": "a\nb\nmmaptest failure: only here, pid=3\n"}
    strict = [shown for shown in html.transcripts(made_up.result("s", found), texts, [found.tasks[3]]) if shown.marked]
    assert [(shown.file, shown.marked, shown.name) for shown in strict] == [
        ("transcripts/strict-mmaptest.txt", [3], "mmaptest again, from the grader's own disk")]
    assert [failure.signature.ending for failure in alike.failures(made_up.result("s", found))] == ["failed"]


# The pages as text.

class Tags(HTMLParser):
    """All start tags of a page, and the text of its elements by tag."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The Results of a made-up class, one of them hostile, with their pages written."""
    out = tmp_path_factory.mktemp("results")
    found = made_up.a_class(out, COUNT)
    evil = next(result for result in found if result.id == "evil")
    found[found.index(evil)] = hostile = replace(evil, why=made_up.EVIL, source=made_up.EVIL, notes=(made_up.EVIL,))
    place = hostile.folder / "transcripts/mmaptest.txt"
    place.write_text("test basic mmap\n" + made_up.EVIL.replace("\ud800", "") + "\n" + "A" * (1 << 20) + "\n</pre></details>\n"
                     + f"mmaptest failure: {made_up.EVIL}, pid=3\n", errors="backslashreplace")
    (hostile.folder / "diff.patch").write_text(f"--- a/x\n+++ b/{made_up.EVIL}\n+{made_up.EVIL}\n", errors="backslashreplace")
    (hostile.folder / "build.log").write_bytes(b"error: \xff\xfe<script>\x00\x1b]0;x\x07\n")
    html.write(found, out)
    return out, found


def pages(results):
    """The texts of all pages by their path."""
    out, found = results
    return {path: path.read_text() for path in [out / "index.html", *(result.folder / "index.html" for result in found)]}


def test_every_submission_has_a_page_and_a_row(results):
    out, found = results
    index = Tags((out / "index.html").read_text())
    links = [attrs["href"] for tag, attrs in index.found if tag == "a"]
    assert len(found) == COUNT
    for result in found:
        assert f"./{result.id}/index.html" in links and (result.folder / "index.html").is_file()
    assert sum(tag == "tr" and "data-outcome" in attrs for tag, attrs in index.found) == COUNT


ALLOWED = {"href", "class", "id", "lang", "charset", "http-equiv", "content", "name", "type", "role", "tabindex", "hidden", "open", "title", "for",
           "scope", "value", "placeholder", "autocomplete", "spellcheck", "viewbox", "preserveaspectratio", "width", "height", "x", "y", "x1", "x2",
           "y1", "y2"}


def test_no_page_has_anything_that_loads_or_acts_but_its_own_style_and_script(results):
    for path, text in pages(results).items():
        tags = Tags(text)
        policy = next(attrs["content"] for tag, attrs in tags.found if attrs.get("http-equiv") == "Content-Security-Policy")
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
        for kind, source in (("style", "style-src"), ("script", "script-src")):
            bodies = tags.texts.get(kind, [])
            assert len(bodies) == sum(tag == kind for tag, _ in tags.found) <= 1
            sums = ["'sha256-" + base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() + "'" for body in bodies]
            assert rules[source] == (sums[0] if sums else "'none'")
        assert ("script" in tags.texts) == (path.parent == results[0])
        assert not {tag for tag, _ in tags.found} & {"img", "iframe", "object", "embed", "link", "base", "video", "audio", "source"}
        for tag, attrs in tags.found:
            for name, value in attrs.items():
                assert name in ALLOWED or name.startswith(("aria-", "data-")), (tag, name)
                assert name != "href" or re.match(r"(\./|\.\./|#)", value), value


def test_nothing_in_a_page_is_invisible_or_turns_text_around(results):
    for text in pages(results).values():
        assert not [c for c in text if not c.isprintable() and c != "\n" and c != "\t"]


def test_a_page_shows_the_failing_line_and_links_to_it(results):
    text = next(text for path, text in pages(results).items() if path.parent.name == "half")
    tags = Tags(text)
    marked = [attrs["id"] for tag, attrs in tags.found if "marked" in attrs.get("class", "").split()]
    links = {attrs["href"][1:] for tag, attrs in tags.found if tag == "a" and attrs["href"].startswith("#t")}
    assert marked and set(marked) & links
    assert 'failing line: </span>mmaptest failure: munmap (1), pid=3' in text
    assert all(any(attrs.get("id") == link for _, attrs in tags.found) for link in links)


def test_a_page_tells_late_days_overrides_notes_diff_and_build_log(results):
    texts = {path.parent.name: re.sub(r"<[^>]+>", "", text) for path, text in pages(results).items()}
    assert "Late, 1 day" in texts["late"] and "-10" in texts["late"] and "CRLF line ends were put right" in texts["late"]
    assert "by hand +15" in texts["override"] and "the test was wrong" in texts["override"] and "Ada" in texts["override"]
    assert "return 0x40000000;  // &lt;b&gt;bold&lt;/b&gt;" in texts["full"] and "ld -o kernel/kernel" in texts["full"]
    assert "No score" in texts["failed"] and "QEMU is not installed" in texts["failed"]
    assert "a path out of the archive" in texts["refused"] and "hidden failure: secret line" in texts["capped"]


def test_a_diff_is_shown_by_files_whatever_their_lines_and_names():
    text = ("diff -ruN handout/kernel/vm.c submission/kernel/vm.c\n--- handout/kernel/vm.c\t1\n+++ submission/kernel/vm.c\t2\n"
            "@@ -1,3 +1,2 @@\n x\n--- a comment of Lua\n-++ b\n+y\n"
            "Binary files handout/a.png and submission/a.png differ\n"
            "diff -ruN 'handout/x y' 'submission/x y'\n--- handout/x\t1\n+++ submission/x\t2\n@@ -0,0 +1 @@\n+z\n")
    assert [found[:3] for found in html.diff_files(text)] == [("kernel/vm.c", 1, 2), ("a.png", 0, 0), ("x y", 1, 0)]
    assert [found[3].total for found in html.diff_files(text)] == [8, 1, 5] and list(html.diff_files("")) == []


def test_a_page_says_how_to_decide_otherwise_and_a_batch_takes_it(results, tmp_path):
    for id, task in (("half", 5), ("full", 1), ("failed", 0)):
        text = next(text for path, text in pages(results).items() if path.parent.name == id)
        entry = re.search(r"\[\[override\]\].*?(?=</pre>)", text, re.S)[0].replace("&#34;", '"').replace('= ""', '= "me"')
        (tmp_path / "overrides.toml").write_text(entry)
        assert [(one.id, one.task) for one in batch_results.read_overrides(tmp_path, syn.LAB, {id})] == [(id, task)]


def test_what_could_not_be_graded_comes_first(results):
    text = (results[0] / "index.html").read_text()
    assert text.index("Could not grade: 2") < text.index('id="class-title"')
    assert "Could not grade:" not in html.index([STATES["full"]], [], "x")


def test_the_index_has_no_transcript_and_grows_by_little():
    many = [replace(STATES["half"], id=f"s{n}") for n in range(1000)]
    assert len(html.index(many, alike.groups(many), "x").encode()) < 3_000_000


@pytest.mark.parametrize("few", [[], [STATES["failed"]], [STATES["refused"]], [STATES["nobuild"]], [STATES["full"]]])
def test_a_class_of_one_or_none_has_a_page(few, tmp_path):
    html.write([replace(result, folder=tmp_path / result.id) for result in few], tmp_path)
    assert f"{len(few)} submission" in (tmp_path / "index.html").read_text()


def test_an_id_with_signs_is_a_link_to_its_folder():
    text = html.index([replace(STATES["full"], id="a+b=c@uni,~é")], [], "x")
    assert 'href="./a%2Bb%3Dc%40uni%2C~%C3%A9/index.html"' in text


def test_pages_are_replaced_as_a_whole(tmp_path):
    html.put(tmp_path / "index.html", "one")
    html.put(tmp_path / "index.html", "two")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("index.html", "two")]


# The pages in a browser.

@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium that selenium drives, without a network."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
                 "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
                 *(["--no-sandbox"] if os.getuid() == 0 else [])):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(service=Service(driver), options=options)
    yield made
    made.quit()


@pytest.fixture
def open_page(browser, results):
    """open_page(path, width, dark, media): load a page of the results, below their folder; returns the browser. At the end no page may
    have logged anything, or loaded anything."""
    def load(path="index.html", width=1280, dark=False, media="screen"):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 850, "deviceScaleFactor": 1, "mobile": False})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "media": media, "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        browser.get("about:blank")
        browser.get((results[0] / path.partition("#")[0]).as_uri() + "".join(path.partition("#")[1:]))
        return browser
    yield load
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def visible_rows(page):
    """The ids of the submissions that the table shows, in order."""
    return page.execute_script("return [...document.querySelectorAll('#submissions tbody tr')].filter(r => r.offsetParent)"
                               ".map(r => r.cells[0].textContent.trim())")


def choose(page, field, value):
    """Choose an option of a select by its value."""
    from selenium.webdriver.support.ui import Select
    Select(page.find_element("id", field)).select_by_value(value)


def test_the_table_filters_by_text_outcome_and_task(open_page, results):
    page, found = open_page(), results[1]
    assert len(visible_rows(page)) == COUNT
    page.find_element("id", "text").send_keys("CRLF line ENDS")
    assert visible_rows(page) == ["late"]
    assert page.find_element("id", "count").text == f"1 of {COUNT} shown"
    page.find_element("id", "text").send_keys(" nothing has this")
    assert visible_rows(page) == [] and page.find_element("id", "nobody").is_displayed()
    page.find_element("css selector", "#clear").click()
    assert len(visible_rows(page)) == COUNT
    choose(page, "outcome", "not graded")
    assert visible_rows(page) == ["nobuild", "refused"]
    choose(page, "outcome", "changed")
    assert visible_rows(page) == ["decided", "late", "override"]
    choose(page, "outcome", "")
    choose(page, "task", "5")
    choose(page, "as", "partial")
    wanted = [result.id for result in found if result.grade and html.state(result, result.grade.tasks[4]) == "partial"]
    assert visible_rows(page) == wanted and "fraction" in wanted
    choose(page, "as", "hidden")
    assert "capped" in visible_rows(page)


def test_the_table_sorts_by_keyboard_and_says_how(open_page, results):
    from selenium.webdriver.common.keys import Keys
    page, scores = open_page(), {result.id: result.score for result in results[1]}
    header = page.find_elements("css selector", "#submissions thead th")[1]
    button = header.find_element("tag name", "button")
    button.send_keys(Keys.ENTER)
    rows = visible_rows(page)
    assert header.get_attribute("aria-sort") == "ascending" and rows[-1] == "failed"
    assert [scores[id] for id in rows[:-1]] == sorted(score for score in scores.values() if score is not None)
    button.send_keys(Keys.SPACE)
    rows = visible_rows(page)
    assert header.get_attribute("aria-sort") == "descending" and rows[-1] == "failed" and scores[rows[0]] == 100
    assert len(page.find_elements("css selector", "#submissions thead [aria-sort]")) == 1
    assert page.execute_script("const s = getComputedStyle(document.activeElement); return s.outlineStyle") != "none"


def until(page, true):
    """Wait until true() is: a click has been heard when the page that it leads to may not be there yet."""
    from selenium.common.exceptions import JavascriptException, NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait
    gone = (JavascriptException, NoSuchElementException, StaleElementReferenceException)
    WebDriverWait(page, 120, 0.05, gone).until(lambda _: true())


def test_a_group_shows_its_members_and_its_first_page_has_the_failing_line(open_page, results):
    page, largest = open_page(), alike.groups(results[1])[0]
    page.find_element("css selector", "button.show[data-group='1']").click()
    assert sorted(visible_rows(page)) == sorted(result.id for result in largest.members) and len(largest.members) > 5
    assert page.find_element("id", "chosen").text == "alike: group 1"
    page.find_element("link text", largest.members[0].id).click()
    until(page, lambda: page.find_element("tag name", "h1").text == largest.members[0].id)
    assert page.find_element("css selector", ".row.marked").is_displayed()
    page.find_element("css selector", ".told a").click()
    until(page, lambda: page.execute_script("return document.querySelector(':target').matches('.row.marked')"))
    page.back()
    until(page, lambda: page.execute_script("return document.querySelector(':target') === null"))
    page.back()
    until(page, lambda: len(visible_rows(page)) == len(largest.members))    # Back finds the filter as it was


def test_a_page_links_to_all_that_fail_alike(open_page, results):
    page = open_page("half/index.html")
    page.find_element("partial link text", "fail alike").click()
    until(page, lambda: "half" in visible_rows(page))
    assert 1 < len(visible_rows(page)) < COUNT


@pytest.mark.parametrize("path", ["index.html", "half/index.html", "evil/index.html"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_fits_its_window_and_can_be_photographed(open_page, tmp_path, path, width):
    page = open_page(path, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.save_screenshot(str(tmp_path / "shot.png")) and (tmp_path / "shot.png").stat().st_size > 10_000
    if path == "index.html":
        first = page.find_element("css selector", "#submissions tbody th")
        page.execute_script("arguments[0].scrollIntoView(); document.querySelector('#table .scroll').scrollLeft = 1000", first)
        assert first.rect["x"] >= 0     # names stay in sight beside the last column


def test_on_paper_there_are_no_controls_and_it_is_light(open_page):
    page = open_page(dark=True, media="print")
    assert not page.find_element("id", "filters").is_displayed()
    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_on_paper_there_is_room_for_what_failed(open_page):
    page = open_page(media="print", width=794)
    long, whole = (page.execute_script(f"return document.querySelector('{e}').offsetWidth") for e in (".long", "#submissions"))
    assert long > 0.35 * whole


CONTRAST = """
const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
const parts = text => text.match(/[\\d.]+/g).map(Number);
const ground = e => {
  for (; e; e = e.parentElement) {
    const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3]) return c;
  }
  return [255, 255, 255];
};
const poor = new Set();
for (const e of document.querySelectorAll("body *")) {
  if (!e.offsetParent || e.matches(".hide, script, option") || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
  const [a, b] = [light(parts(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.add(e.tagName + "." + e.className + " " + getComputedStyle(e).color + " on " + ground(e));
}
return [...poor];
"""


@pytest.mark.parametrize("path", ["index.html", "late/index.html", "fraction/index.html", "nobuild/index.html", "failed/index.html"])
@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(open_page, path, dark):
    page = open_page(path, dark=dark)
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.execute_script(CONTRAST) == []
    assert (page.execute_script("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)") is dark


def test_every_control_has_a_name(open_page):
    page = open_page()
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for control in page.find_elements("css selector", "input, select, button, a"):
        assert control.accessible_name.strip(), control.get_attribute("outerHTML")
    names = [button.accessible_name for button in page.find_elements("css selector", "#submissions thead button")]
    assert "Task 5 munmap" in " | ".join(" ".join(name.split()) for name in names)


def test_a_hostile_submission_is_only_read(open_page):
    page = open_page("evil/index.html")
    assert page.title == "evil: mmap and munmap"
    assert page.execute_script("return document.querySelectorAll('script, img').length") == 0
    assert "<script>" in page.find_element("tag name", "main").text and "[U+202E]" in page.find_element("tag name", "main").text
    page = open_page("index.html")
    assert page.title == "mmap and munmap: results" and page.execute_script("return document.querySelectorAll('img').length") == 0


def test_what_the_address_says_can_do_no_harm(open_page):
    page = open_page("index.html#text=<img src=x>&sort=99&group=x y&task=77&as=%00&outcome=none")
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    page = open_page("index.html#sort=__proto__&group=1e3&text=" + "".join(random.Random(1).choices("%&=#<>'\"", k=50)))
    assert page.find_element("id", "count").is_displayed()
