"""What to call containers: the names that a person chose, and something stable for the others."""

import re
from collections import defaultdict
from collections.abc import Iterable

# The first halves of the names that the engine invents, as in "friendly_carver".
_ADJECTIVES = """
admiring adoring affectionate agitated amazing angry awesome beautiful blissful bold boring brave
busy charming clever compassionate competent condescending confident cool cranky crazy dazzling
determined distracted dreamy eager ecstatic elastic elated elegant eloquent epic exciting fervent
festive flamboyant focused friendly frosty funny gallant gifted goofy gracious great happy hardcore
heuristic hopeful hungry infallible inspiring intelligent interesting jolly jovial keen kind
laughing loving lucid magical modest musing mystifying naughty nervous nice nifty nostalgic
objective optimistic peaceful pedantic pensive practical priceless quirky quizzical recursing
relaxed reverent romantic sad serene sharp silly sleepy stoic strange stupefied suspicious sweet
tender thirsty trusting unruffled upbeat vibrant vigilant vigorous wizardly wonderful xenodochial
youthful zealous zen
"""
_INVENTED = re.compile(rf"({'|'.join(_ADJECTIVES.split())})_[a-z]+\d*")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def is_invented(name: str) -> bool:
    """Whether the engine made up this name of a container or volume, because nobody gave one.

    >>> is_invented("friendly_carver"), is_invented("my_app")
    (True, False)
    """
    return bool(_INVENTED.fullmatch(name) or _ANONYMOUS.fullmatch(name))


def shown_names(containers: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Map the ids of containers, given as (id, name, image), to the names that diagrams show.

    A container without a name of its own is called after its image, so that a diagram is the same
    each time.

    >>> shown_names([("1", "web", "nginx"), ("2", "sad_bell", "redis"), ("3", "zen_ride", "redis")])
    {'1': 'web', '2': 'redis container', '3': 'redis container (2)'}
    """
    names: dict[str, str] = {}
    uses: dict[str, int] = defaultdict(int)
    for container_id, name, image in containers:
        if container_id in names:
            continue
        shown = f"{image} container" if is_invented(name) else name
        uses[shown] += 1
        names[container_id] = shown if uses[shown] == 1 else f"{shown} ({uses[shown]})"
    return names
