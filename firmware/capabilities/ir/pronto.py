"""Pronto's codes: hexadecimal words with a carrier, timings to send once and timings to repeat.

Must never touch hardware. Raises ValueError with what is wrong. Form 0000 has timings; 5000, 6000 and 900A
name a protocol and have two words of numbers, as the JP1 wiki's "Pronto IR Formats" lists their ranges and
remotecentral.com's forums spell them out (post 728067 for 5000, 800938 for 900A).
"""

# Words are periods of this clock, in ns: 1 / 4.145146 MHz.
_CLOCK_PS = 241246


def form(text):
    """The first word, in capitals."""
    return text.strip()[:4].upper()


def named(text):
    """The fields of a code of form 5000, 6000 or 900A, as ir_send takes them."""
    words = _words(text)
    if len(words) != 6 or words[2:4] != [0, 1]:
        raise ValueError("such a code has six words, the third 0000 and the fourth 0001")
    kind, address, command = words[0], words[4], words[5]
    if kind == 0x5000 and address < 32 and command < 128:
        protocol = "rc5x" if command > 63 else "rc5"
    elif kind == 0x6000 and address < 256 and command < 256:
        protocol = "rc6"
    elif kind == 0x900A:
        # Bytes as they are sent, the first one high.
        address, command = address >> 8 | (address & 255) << 8, command >> 8 | (command & 255) << 8
        protocol = "necext"
        if address >> 8 ^ address & 255 == 255 == command >> 8 ^ command & 255:
            protocol, address, command = "nec", address & 255, command & 255
    else:
        raise ValueError("its numbers are too large")
    return {"encoding": protocol, "address": address, "command": command}


def _words(text):
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
    return words


def parse(text):
    """(carrier in Hz, timings to send once, timings to repeat) of form 0000, in us, mark first."""
    words = _words(text)
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
