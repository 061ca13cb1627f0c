"""Infrared actions: each protocol with its carrier and its own way to repeat, toggle bits, Pronto codes."""

from workbench import Bench

from capabilities.ir import codecs, pronto
from check import cases, raises


class Wire:
    def __init__(self):
        self.sent = []

    def write(self, carrier, duty, timings):
        self.sent.append((carrier, timings))


def room():
    bench = Bench({"kind": "ir", "pin": 4})
    wire = bench.part._transmitter = Wire()
    return bench, wire


def test_every_protocol_goes_out_on_its_carrier_and_repeats_as_its_remotes_do():
    def judge(protocol, carrier, period, sends):
        bench, wire = room()
        bench.do("ir_send", encoding=protocol, address=5, command=70, repeats=2)
        bench.wait(1500)
        heard = []
        for one in wire.sent:
            assert one[0] == carrier
            heard += one[1]
        cuts = codecs.frames(heard)
        assert len(cuts) == sends
        starts = [sum(heard[:start]) for start, _ in cuts]
        for i in range(1, len(starts)):
            assert abs(starts[i] - starts[i - 1] - period) < 13000
        fields = codecs.decode(heard[: cuts[0][1]])
        assert (fields["protocol"], fields["address"], fields["command"]) == (protocol, 5, 70)

    rows = [("sony12", 40000, 45000, 5), ("sony15", 40000, 45000, 5), ("sony20", 40000, 45000, 5)]
    rows += [("nec", 38000, 108000, 3), ("necext", 38000, 108000, 3), ("lg", 38000, 108000, 3)]
    rows += [("samsung32", 38000, 108000, 3), ("jvc", 38000, 55000, 3), ("kaseikyo", 37000, 130000, 3)]
    rows += [("rc5x", 36000, 113778, 3), ("rc6", 36000, 106667, 3)]
    cases(rows, judge)


def test_every_protocol_is_offered():
    bench, _ = room()
    assert bench.part.ACTIONS["ir_send"][2]["encoding"]["enum"] == sorted(codecs.MODULES)


def test_a_toggle_bit_changes_with_each_press_of_a_remote():
    bench, wire = room()
    toggles = []
    for protocol, address, command in (
        ("rc5", 1, 2),
        ("rc5", 1, 2),
        ("rc5", 2, 2),
        ("rc5x", 1, 99),
        ("rc6", 1, 2),
        ("rc5", 1, 3),
        ("rc5", 2, 2),
    ):
        bench.do("ir_send", encoding=protocol, address=address, command=command)
        bench.wait(300)
        heard = wire.sent.pop()[1]
        toggles.append(codecs.decode(heard[:-1])["toggle"])
    assert toggles == [0, 1, 0, 0, 0, 1, 1]
    bench.do("ir_send", encoding="rc5", address=1, command=3, toggle=1)
    assert codecs.decode(wire.sent.pop()[1][:-1])["toggle"] == 1


def test_many_remotes_do_not_fill_the_memory():
    bench, _ = room()
    for address in range(30):
        bench.do("ir_send", encoding="rc5", address=address, command=1)
        bench.wait(300)
    assert len(bench.part._toggles) == 16


def test_what_a_protocol_does_not_have_is_refused_by_name():
    bench, wire = room()

    def judge(member, params):
        given = dict({"encoding": "nec", "address": 1, "command": 1}, **params)
        assert bench.refused("ir_send", **given) == ("INVALID_PARAMS", member)

    cases(
        [
            ("encoding", {"encoding": "NEC"}),
            ("address", {"address": 256}),
            ("command", {"command": 256}),
            ("toggle", {"toggle": 1}),
            ("vendor", {"vendor": 1}),
            ("repeats", {"repeats": 11}),
            ("command", {"encoding": "rc5", "command": 64}),
            ("command", {"encoding": "rc5x", "command": 63}),
            ("address", {"encoding": "sony12", "address": 32}),
            ("address", {"encoding": "kaseikyo", "address": 4096}),
        ],
        judge,
    )
    assert wire.sent == []


# --- Pronto ---

PRONTO = "0000 006D 0002 0001 0157 00AC 0015 0689 0157 0056"


def test_a_pronto_code_is_read():
    carrier, once, again = pronto.parse(PRONTO)
    assert 38028 <= carrier <= 38030  # as every table of Pronto has it: 0x6D is 38.029 kHz
    # periods of 26.2958 us, by hand
    assert once == [9019, 4523, 552, 43993]
    assert again == [9019, 2261]
    assert pronto.parse(PRONTO.lower().replace(" ", "\n")) == (carrier, once, again)


def test_a_pronto_code_is_sent_and_its_second_part_repeated():
    bench, wire = room()
    bench.do("ir_send_pronto", code=PRONTO)
    bench.wait(500)
    bench.do("ir_send_pronto", code=PRONTO, repeats=2)
    bench.wait(500)
    bench.do("ir_send_pronto", code="0000 006D 0000 0001 0157 0689", repeats=1)
    carrier, once, again = pronto.parse(PRONTO)
    assert [sent[1] for sent in wire.sent] == [once, once + again * 2, [9019, 43993] * 2]
    assert wire.sent[0][0] == carrier


def test_pronto_codes_that_name_a_protocol_are_sent_in_it():
    def judge(code, expected):
        bench, wire = room()
        bench.do("ir_send_pronto", code=code)
        heard = wire.sent[0][1]
        cuts = codecs.frames(heard)
        fields = codecs.decode(heard[: cuts[0][1]])
        assert (fields["protocol"], fields["address"], fields["command"]) == expected

    cases(
        [
            ("5000 0000 0000 0001 0003 0004", ("rc5", 3, 4)),
            ("5000 0073 0000 0001 0010 0045", ("rc5x", 16, 69)),
            ("6000 0073 0000 0001 0004 00ff", ("rc6", 4, 255)),
            # Oppo's sheets of remote codes have it beside its function, 1A of custom code 49.
            ("900A 006D 0000 0001 49B6 1AE5", ("nec", 0x49, 0x1A)),
            ("900a 006d 0000 0001 fe01 00ff", ("nec", 254, 0)),
            ("900A 006D 0000 0001 856A 9768", ("necext", 0x6A85, 0x97 | 0x68 << 8)),
        ],
        judge,
    )


def test_pronto_without_a_carrier_is_sent_without_one():
    bench, wire = room()
    bench.do("ir_send_pronto", code="0100 006D 0000 0001 0157 0689")
    assert wire.sent == [(0, [9019, 43993])]


def test_a_pronto_form_that_nobody_knows_is_refused_by_its_name():
    bench, wire = room()
    for form in ("5001", "6001", "7000", "8000", "900B"):
        code, why = bench.refused("ir_send_pronto", code=form + " 0000 0000 0002 0010 000C 0001 0000")
        assert code == "COMMAND_INVALID" and form in why
    assert wire.sent == []


def test_carrier_and_duty_are_the_protocol_s_unless_given():
    bench, wire = room()
    bench.part._transmitter.write = lambda carrier, duty, timings: wire.sent.append((carrier, duty))
    bench.do("ir_send", encoding="rc5", address=1, command=2)
    bench.wait(300)
    bench.do("ir_send", encoding="rc5", address=1, command=2, freq_khz=38, duty=50)
    bench.wait(300)
    bench.do("ir_send", encoding="rc5", address=1, command=2, freq_khz=36.7)
    assert wire.sent == [(36000, 33), (38000, 50), (36700, 33)]
    given = {"encoding": "nec", "address": 1, "command": 2}
    assert bench.refused("ir_send", freq_khz=9, **given) == ("INVALID_PARAMS", "freq_khz")
    assert bench.refused("ir_send", duty=91, **given) == ("INVALID_PARAMS", "duty")


def test_wrong_pronto_codes_are_refused():
    bench, wire = room()

    def judge(code):
        raises(ValueError, pronto.parse, code)
        raises(ValueError, pronto.named, code)
        assert bench.refused("ir_send_pronto", code=code)[0] == "INVALID_PARAMS"

    head = "0000 006D 0000 0001 "
    cases(
        [
            ("",),
            ("0000 006D 0000 0000",),
            (head + "0157 068",),
            (head + "0157 06890",),
            (head + "0157 068G",),
            (head + "0157",),
            (head + "0157 0689 0001",),
            (head + "0157 0000",),
            ("5000 006D 0000 0001 0157 0689",),
            ("5000 0073 0000 0001 0020 0001",),
            ("5000 0073 0000 0001 0001 0080",),
            ("5000 0073 0000 0002 0001 0001",),
            ("6000 0073 0000 0001 0100 0001",),
            ("900A 006D 0000 0001 FE01 00FF 0000",),
            ("X000 006D 0000 0001 0157 0689",),
            ("0000 0000 0000 0001 0157 0689",),
        ],
        judge,
    )
    assert bench.refused("ir_send_pronto", code="0000 0001 0000 0001 0157 0689")[0] == "INVALID_PARAMS"
    assert wire.sent == []
