"""What students' computers add to a tree or change in it, put right: droppings, folders around it, line ends, names."""

import re
from collections import Counter

from .tree import is_product
from .unpack import Contents, Refused, shown

DROPPINGS = re.compile(r"(?:.*/)?(?:(?:__MACOSX|\.AppleDouble|\.Spotlight-V100|\.Trashes|\.fseventsd|\$RECYCLE\.BIN)(?:/.*)?"
                       r"|\.DS_Store|\._[^/]*|Icon\r|Thumbs\.db|ehthumbs\.db|desktop\.ini|[^/]*:Zone\.Identifier)", re.I)
SOURCE = re.compile(r".*(?:\.(?:c|h|s|pl|py|sh|ld|mk|in|inc|toml)|/?(?:GNU)?makefile|\.gdbinit[^/]*)", re.I)
PARTS = ("kernel", "user")              # the folders that make a lab tree
BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
NAMED = 3                               # files that a note names


def tidied(contents, handout):
    """The Contents of a lab tree by paths relative to it, and notes of all that was changed or left out.

    handout is the set of paths that a student starts from. Raises Refused where contents (Contents) hold no lab tree or several."""
    files, notes = without_droppings(contents.files)
    root = find_root(files)
    if root:
        notes.append(f"the tree lies in {shown(root)}")
    files, moved = at_top(files, root)
    files, renamed = in_right_case(files, handout)
    files, left_out = without_products(files)
    if "" not in roots(files):
        raise Refused("no lab tree: in kernel/ or in user/ there is only what a build makes")
    files, changed = with_plain_text(files)
    times = {new: contents.times[old] for old, new in paths(contents.files, root, renamed) if new in files}
    named_right = [f"{shown(old)}: named {new}" for old, new in renamed.items()]
    return Contents(files, times, (*contents.notes, *notes, *moved, *named_right, *left_out, *changed))


def named(files):
    """Some paths as text: the first few, and how many more."""
    first = sorted(files)
    more = f" and {len(first) - NAMED} more" if len(first) > NAMED else ""
    return ", ".join(shown(name) for name in first[:NAMED]) + more


def without_droppings(files):
    """The files that a student made, and a note of those that the student's computer did."""
    dropped = [name for name in files if DROPPINGS.fullmatch(name)]
    kept = {name: content for name, content in files.items() if not DROPPINGS.fullmatch(name)}
    return kept, [f"left out what macOS or Windows added: {named(dropped)}"] if dropped else []


def roots(files):
    """The folders in which a lab tree lies, "" for the top: all that have files in kernel/ and in user/."""
    found = {}
    for name in files:
        parts = name.split("/")
        for depth, part in enumerate(parts[:-1]):
            if part.lower() in PARTS:
                found.setdefault("/".join(parts[:depth]), set()).add(part.lower())
    return [folder for folder, below in found.items() if len(below) == len(PARTS)]


def find_root(files):
    """The folder in which the lab tree lies. Raises Refused if there is none, or two of them are at the same depth."""
    if not files:
        raise Refused("empty: there is no file in it")
    places = sorted(roots(files), key=lambda folder: (folder.count("/") + bool(folder), folder))
    if not places:
        raise Refused(f"no lab tree: no folder in it has files in kernel/ and in user/ (it holds {named(files)})")
    if len(places) > 1 and places[0].count("/") == places[1].count("/") and places[0]:
        raise Refused(f"several lab trees, {named(places)}: it must be clear which one counts")
    return places[0]


def at_top(files, root):
    """The files below root by their paths relative to it, and a note of those that lie elsewhere."""
    prefix = root + "/" if root else ""
    inside = {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}
    outside = [name for name in files if not name.startswith(prefix) and ".git/" not in name]
    return inside, [f"left out what lies beside the tree: {named(outside)}"] if outside else []


def in_right_case(files, handout):
    """The files by the handout's names where only upper and lower case differ, and a dict of the names that changed."""
    known = Counter(name.lower() for name in handout)
    right = {name.lower(): name for name in handout if known[name.lower()] == 1}
    places = {name.rsplit("/", 1)[0].lower(): name.rsplit("/", 1)[0] for name in handout if "/" in name}
    renamed, taken = {}, set(files)
    for name in files:
        folder, slash, last = name.rpartition("/")
        wanted = right.get(name.lower(), places.get(folder.lower(), folder) + slash + last)
        if wanted not in taken:
            renamed[name] = wanted
            taken.add(wanted)
    return {renamed.get(name, name): content for name, content in files.items()}, renamed


def paths(files, root, renamed):
    """Pairs of each path in a container and the path in the tree."""
    prefix = root + "/" if root else ""
    inside = ((name, name.removeprefix(prefix)) for name in files if name.startswith(prefix))
    return ((old, renamed.get(new, new)) for old, new in inside)


def without_products(files):
    """The files that no build makes, without repositories, and a note of the rest."""
    products = [name for name in files if is_product(name)]
    kept = {name: content for name, content in files.items() if not is_product(name) and ".git" not in name.split("/")}
    return kept, [f"left out what a build makes: {named(products)}"] if products else []


def with_plain_text(files):
    """The files, sources among them as UTF-8 with \\n at each line's end, and notes of what was changed."""
    clean, changed = {}, {}
    for name, content in files.items():
        text, what = plain(content) if SOURCE.fullmatch(name) or content.startswith(b"#!") else (content, "")
        clean[name] = text
        if what:
            changed.setdefault(what, []).append(name)
    return clean, [f"{what}: {named(names)}" for what, names in changed.items()]


def plain(content):
    """A source's text (bytes) as UTF-8 with \\n at each line's end, and in words what was changed ("": nothing)."""
    changed = []
    bom, encoding = next(((bom, encoding) for bom, encoding in BOMS if content.startswith(bom)), (b"", ""))
    if bom:
        try:
            content = content.decode(encoding).encode()
            changed.append("UTF-16 made UTF-8" if encoding == "utf-16" else "byte order mark taken off")
        except UnicodeDecodeError:
            pass                                    # no text: the compiler will say so
    if b"\r" in content and b"\0" not in content:
        ends = content.count(b"\n")
        content = content.replace(b"\r\n", b"\n")
        if not ends:
            content = content.replace(b"\r", b"\n")
        changed.append("Windows line ends (CRLF) made plain" if ends else "old Mac line ends (CR) made plain")
    return content, ", ".join(changed)
