"""Pronto's learned codes: hexadecimal words with a carrier, timings to send once and timings to repeat.

Must never touch hardware. Only form 0000, with a carrier; raises ValueError with what is wrong.
"""

# Words are periods of this clock, in ns: 1 / 4.145146 MHz.
_CLOCK_PS = 241246


def parse(text):
    """(carrier in Hz, timings to send once, timings to repeat), in us, mark first."""
    # Not split(): a long code would be a second time in memory, as words.
    words = []
    word = digits = 0
    for letter in text + " ":
        if letter in " \t\r\n":
            if digits not in (0, 4):
                raise ValueError("a word has four digits")
            if digits:
                words.append(word)
            word = digits = 0
            continue
        value = "0123456789abcdef".find(letter.lower())
        if value < 0:
            raise ValueError("'%s' is no hexadecimal digit" % letter)
        word = word << 4 | value
        digits += 1
    if len(words) < 6:
        raise ValueError("too short")
    if words[0]:
        raise ValueError("only form 0000 is known")
    if not words[1]:
        raise ValueError("no carrier")
    once, size = 2 * words[2], len(words) - 4
    if size != once + 2 * words[3]:
        raise ValueError("it tells of %d pairs and has %d words" % (words[2] + words[3], size))
    period = words[1] * _CLOCK_PS  # of the carrier, in ps
    timings = []
    for at in range(4, len(words)):
        if not words[at]:
            raise ValueError("a timing of 0")
        timings.append((words[at] * period + 500000) // 1000000)
    return (10**12 + period // 2) // period, timings[:once], timings[once:]
