"""A browser in a few words, out of what it says of itself: "Firefox on Linux". The words are ours,
so what is kept of a hostile header is none of it.
"""

LONGEST_READ = 500  # characters; browsers say less
UNKNOWN = "another program"

# The first that is named counts: most browsers also call themselves by the names below theirs.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


def short_name(user_agent: str) -> str:
    """Of a User-Agent header: browser and system as far as they are known."""
    said = user_agent[:LONGEST_READ]
    browser = next((name for mark, name in BROWSERS if mark in said), None)
    system = next((name for mark, name in SYSTEMS if mark in said), None)
    if browser is None:
        return UNKNOWN
    return browser if system is None else f"{browser} on {system}"
