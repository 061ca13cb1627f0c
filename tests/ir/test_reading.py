"""What others write is read as they mean it: each format's forms, with codes that several sources have."""

import base64
import json

import pytest

from host_sim.ir import formats
from host_sim.ir.formats import unspoken
from host_sim.ir.guess import guess
from host_sim.ir.signals import UNMODULATED, FormatError, from_fields, from_timings


def only(name, text):
    (signal,) = formats.load(name, text)
    return signal


def flipper(protocol, address, command):
    text = "Filetype: IR signals file\nVersion: 1\n#\nname: A\ntype: parsed\n"
    return only("flipper", f"{text}protocol: {protocol}\naddress: {address}\ncommand: {command}\n")


def irdb(row):
    return only("irdb", f"functionname,protocol,device,subdevice,function\nA,{row}\n")


def esphome(action, settings):
    return only(
        "esphome", f"- remote_transmitter.transmit_{action}:\n    " + settings.replace("; ", "\n    ")
    )


def tasmota(protocol, bits, data, **more):
    row = {"Protocol": protocol, "Bits": bits, "Data": data, **more}
    return only("tasmota", f"A: IRSend {json.dumps(row)}")


# One button a row, as public collections have it in each format.
SAME = {
    "Panasonic's volume up (Flipper-IRDB, IRDB's Panasonic/TV/128,0, Tasmota's list of codes)": [
        flipper("Kaseikyo", "80 02 20 00", "00 02 00 00"),
        irdb("Panasonic,128,0,32"),
        tasmota("PANASONIC", 48, "0x400401000405"),
        esphome("panasonic", "address: 0x4004; command: 0x01000405"),
        from_fields("A", "kaseikyo", vendor=0x2002, address=8, command=32),
    ],
    "Panasonic's power (ESPHome's documentation, IRDB)": [
        esphome("panasonic", "address: 0x4004; command: 0x100BCBD"),
        irdb("Panasonic,128,0,61"),
        flipper("Kaseikyo", "80 02 20 00", "D0 03 00 00"),
    ],
    "Samsung's power (IRDB's Samsung/TV/7,7; 0xE0E040BF in every list)": [
        irdb("NECx2,7,7,2"),
        tasmota("SAMSUNG", 32, "0xE0E040BF"),
        tasmota("SAMSUNG", 32, 0xE0E040BF),
        esphome("samsung", "data: 0xE0E040BF"),
        flipper("Samsung32", "07 00 00 00", "02 00 00 00"),
    ],
    "LG's television power, which is NEC's (0x20DF10EF in every list)": [
        tasmota("NEC", 32, "0x20DF10EF"),
        esphome("nec", "address: 0xFB04; command: 0xF708"),
        irdb("NEC1,4,-1,8"),
        irdb("NEC2,4,251,8"),
        flipper("NEC", "04 00 00 00", "08 00 00 00"),
        flipper("NECext", "04 FB 00 00", "08 F7 00 00"),
        only("pronto", "A: 900A 006D 0000 0001 04FB 08F7"),
    ],
    "Sony's volume up (0x490 in Tasmota's list of codes)": [
        tasmota("SONY", 12, "0x490", Repeat=2),
        tasmota("Sony", 12, "0x490"),
        esphome("sony", "data: 0x490"),
        esphome("sony", "data: 0x490; nbits: 12; repeat: 3"),
        irdb("Sony12,1,-1,18"),
        flipper("SIRC", "01 00 00 00", "12 00 00 00"),
    ],
    "an LG air conditioner's off (0x88C0051 in IRremoteESP8266)": [
        tasmota("LG", 28, "0x88C0051"),
        esphome("lg", "data: 0x88C0051"),
        from_fields("A", "lg", address=0x88, command=0xC005),
    ],
    "RC5 address 13, command 13 (remotecentral.com has both forms of it)": [
        only("pronto", "A: 5000 0000 0000 0001 000D 000D"),
        irdb("RC5,13,-1,13"),
        esphome("rc5", "address: 0x0D; command: 0x0D"),
        flipper("RC5", "0D 00 00 00", "0D 00 00 00"),
        tasmota("RC5", 12, "0x34D"),
    ],
    "RC5 address 5, command 70: RC5X has six bits of it on a Flipper, and seven on Tasmota": [
        flipper("RC5X", "05 00 00 00", "06 00 00 00"),
        flipper("RC5X", "05 00 00 00", "46 00 00 00"),
        irdb("RC5,5,-1,70"),
        esphome("rc5", "address: 5; command: 70"),
        tasmota("RC5X", 13, "0x1146"),
    ],
    "RC6 mode 0 address 0, command 12": [
        only("pronto", "A: 6000 0073 0000 0001 0000 000C"),
        irdb("RC6,0,-1,12"),
        irdb("RC6-0-16,0,-1,12"),
        esphome("rc6", "address: 0x00; command: 0x0C"),
        flipper("RC6", "00 00 00 00", "0C 00 00 00"),
        tasmota("RC6", 20, "0xC"),
    ],
    "Sony of 20 bits": [
        irdb("Sony20,26,42,73"),
        flipper("SIRC20", "5A 05 00 00", "49 00 00 00"),
        esphome("sony", "data: 0x92B54; nbits: 20"),
    ],
    "JVC, address 0x59 and command 0x35 of SB-Projects' picture": [
        irdb("JVC,89,-1,53"),
        tasmota("JVC", 16, "0x9AAC"),
        esphome("jvc", "data: 0x9AAC"),
    ],
    "NEC of a 16-bit address and a command of its own": [
        irdb("NEC1-f16,131,85,36752"),
        flipper("NECext", "83 55 00 00", "90 8F 00 00"),
        esphome("nec", "address: 0x5583; command: 0x8F90"),
    ],
}


@pytest.mark.parametrize("about", SAME)
def test_a_button_is_the_same_whoever_wrote_it(about):
    first, *others = SAME[about]
    assert first.fields is not None
    for other in others:
        assert (other.once, other.carrier) == (first.once, first.carrier), other
        assert other.fields is not None


def test_rc5_in_pronto_is_the_long_form_that_others_print():
    """The long form of «5000 … 000D 000D» as remotecentral.com's forum has it: periods of 36 kHz."""
    long = "A: 0000 0073 0000 000A 0020 0020 0040 0020 0020 0040 0020 0020 0040 0040 0040 0020 0020 0040 "
    long += "0020 0020 0040 0040 0020 0CA8"
    short = only("pronto", "A: 5000 0000 0000 0001 000D 000D")
    assert only("pronto", long).fields == {"protocol": "rc5", "address": 13, "command": 13, "toggle": 0}
    assert only("pronto", long).fields == {**short.fields, "toggle": 0}


@pytest.mark.parametrize("form", ["5001", "6001", "7000", "8000", "9000", "900B"])
def test_a_pronto_form_that_is_not_spoken_is_refused_by_its_number(form):
    with pytest.raises(FormatError, match=f"A: form {form} .*known"):
        formats.load("pronto", f"A: {form} 0000 0000 0001 0005 000C")


def test_pronto_without_a_carrier_is_told_from_pronto_with_one():
    signal = only("pronto", "A: 0100 006D 0002 0000 0010 0020 0010 0400")
    assert signal.carrier == UNMODULATED and signal.once == (421, 841, 421, 26927)
    assert formats.dump("pronto", [signal])[0].startswith("A: 0100 ")
    for name in ("hos", "homeassistant", "flipper", "broadlink", "tasmota", "device"):
        with pytest.raises(FormatError, match="no carrier"):
            formats.dump(name, [signal])


def test_flippers_own_form_is_read_and_written():
    text = "Filetype: IR signals file\nVersion: 1\n#\nname: Power\ntype: parsed\nprotocol: NEC\n"
    text += "address: 04 00 00 00\ncommand: 08 00 00 00\n"
    signal = only("flipper", text)
    assert signal.fields == {"protocol": "nec", "address": 4, "command": 8}
    assert formats.dump("flipper", [signal]) == (text, [])


def test_a_flipper_file_has_buttons_of_both_types_and_keeps_the_duty():
    text = (
        "Filetype: IR library file\nVersion: 1\n# a remark: of the maker\n#\n"
        "name: On: 1\ntype: raw\nfrequency: 36000\n"
        "duty_cycle: 0.250000\ndata: 500 600 700\n#\nname: Off\ntype: parsed\nprotocol: SIRC15\n"
        "address: 54 00 00 00\ncommand: 15 00 00 00\n"
    )
    on, off = formats.load("flipper", text)
    assert (on.name, on.carrier, on.duty, on.once) == ("On: 1", 36000, 25, (500, 600, 700))
    assert off.fields == {"protocol": "sony15", "address": 84, "command": 21}
    assert "duty_cycle: 0.250000" in formats.dump("flipper", [from_timings("On", 36000, [5, 6], duty=25)])[0]


def test_a_kaseikyo_of_any_vendor_and_id_comes_back_from_a_flipper_file():
    for address, command in ((0, 0), (4095, 255), (0xA5B, 0xC7), (0x0F0, 0x80)):
        signal = from_fields("A", "kaseikyo", vendor=0x1234, address=address, command=command)
        text, lost = formats.dump("flipper", [signal])
        assert not lost and only("flipper", text) == signal
    denon = irdb("Denon-K,2,1,3000")
    assert denon.fields == {
        "protocol": "kaseikyo",
        "vendor": 0x3254,
        "address": 2 | 1 << 4 | 8 << 8,
        "command": 187,
    }
    assert formats.dump("irdb", [denon])[0].endswith("A,Denon-K,2,1,3000\n")


def test_what_a_protocol_is_named_elsewhere_is_known_though_it_is_not_spoken():
    tries = {
        "flipper": lambda name: flipper(name, "00 00 00 00", "00 00 00 00"),
        "irdb": lambda name: irdb(f"{name},1,-1,1"),
        "tasmota": lambda name: tasmota(name, 32, "0x1"),
        "esphome": lambda name: esphome(name, "address: 1; command: 2"),
    }
    for name, read in tries.items():
        listed = unspoken.names(getattr(unspoken, name.upper()))
        assert len(listed) >= 4
        for protocol in listed:
            with pytest.raises(FormatError, match="is known, but not spoken here"):
                read(protocol)
        with pytest.raises(FormatError, match=r"'?nosuch'? is not known here"):
            read("nosuch")


def test_the_numbers_of_irdb_stay_in_their_bounds():
    for row in (
        "NEC1,256,-1,8",
        "NEC1,4,-2,8",
        "NEC1,4,-1,256",
        "Sony20,32,1,1",
        "RC5,3,4,5",
        "Denon-K,16,0,0",
    ):
        with pytest.raises(FormatError, match="A: "):
            irdb(row)
    with pytest.raises(FormatError, match="whole numbers"):
        irdb("NEC1,4,x,8")


def test_a_frame_that_only_has_the_form_is_sent_as_it_is():
    """A Samsung code of two different address bytes has no numbers of Samsung32, and can be sent."""
    signal = tasmota("SAMSUNG", 32, "0xE0E140BF", Repeat=1)
    twice = irdb("NECx1,7,135,2")
    assert signal.once[:67] == twice.once[:67] and len(signal.once) >= 135 and signal.carrier == 38000
    wrong_sum = tasmota("LG", 28, "0x88C0052")
    assert wrong_sum.fields is None and len(wrong_sum.once) == 59


def test_pioneer_is_nec_on_another_carrier():
    signal = irdb("Pioneer,165,-1,28")
    assert signal.carrier == 40000 and signal.fields == {"protocol": "nec", "address": 165, "command": 28}
    assert formats.dump("irdb", [signal]) == (
        "functionname,protocol,device,subdevice,function\nA,Pioneer,165,-1,28\n",
        [],
    )
    assert formats.dump("flipper", [signal])[1] == [
        "A: its carrier of 40000 Hz; the protocol's own is 38000 Hz"
    ]


def test_tasmotas_data_is_what_goes_over_the_air():
    """LG televisions speak NEC: their power is known as 0x20DF10EF, address 4 and command 8."""
    text, lost = formats.dump("tasmota", [from_fields("Power", "nec", address=4, command=8)])
    assert not lost
    row = json.loads(text.partition("IRSend ")[2])
    assert row == {"Protocol": "NEC", "Bits": 32, "Data": "0x20DF10EF", "DataLSB": "0x04FB08F7", "Repeat": 0}
    sony = formats.dump("tasmota", [from_fields("Power", "sony12", address=1, command=21)])[0]
    assert '"Data": "0xA90"' in sony and '"DataLSB": "0x5009"' in sony and '"Repeat": 2' in sony


def test_tasmotas_other_ways_to_say_it():
    plain = tasmota("NEC", 32, "0x20DF10EF")
    logged = '{"Time":1,"IrReceived":{"Protocol":"NEC","Bits":32,"Data":"0x20DF10EF","Repeat":0}}'
    assert only("tasmota", logged).once == plain.once
    assert only("tasmota", 'A: {"protocol":"NEC","bits":32,"DataLSB":"0x04FB08F7"}').once == plain.once
    assert only("tasmota", 'irsend3 {"Protocol":"NEC","Bits":32,"Data":551489775}').once == (
        from_fields("A", "nec", address=4, command=8, repeats=2).once
    )
    assert tasmota("NEC", 32, "0x20DF10EF", Repeat=2).once == (
        from_fields("A", "nec", address=4, command=8, repeats=2).once
    )


def test_tasmotas_raw_forms():
    """The compact line and its numbers are those of Tasmota's "IRSend RAW Encoding"."""
    compact = "IRsend 0,+8570-4240+550-1580C-510+565-1565F-505Fh+570gFhIdChIgFeFgFgIhFgIhF"
    assert only("tasmota", compact).once[:14] == (
        (8570, 4240, 550, 1580, 550, 510, 565, 1565, 565, 505, 565, 505, 570, 1565)
    )
    assert only("tasmota", compact).carrier == 38000
    assert only("tasmota", "IRsend 36,926,844,958").carrier == 36000
    assert only("tasmota", "A: IRsend 36700,926,844,958").carrier == 36700
    unknown = '{"IrReceived":{"Protocol":"UNKNOWN","Bits":3,"Hash":"0x1","Repeat":0,"RawData":"+500-600A"}}'
    assert only("tasmota", unknown).once == (500, 600, 500)
    as_list = '{"IrReceived":{"Protocol":"UNKNOWN","Bits":3,"RawData":[500,600,500]}}'
    assert only("tasmota", as_list).once == (500, 600, 500)
    stream = only("tasmota", "IRSend raw,0,9000,4500,562,562,1687,00100000110111110001000011101111")
    assert stream.once == from_fields("A", "nec", address=4, command=8).once
    assert only("tasmota", "IRSend raw,36,889,2,0110").once == (889, 1778, 1778, 889)
    assert only("tasmota", "IRSend raw,36,889,1778,0110").once == (889, 1778, 1778, 889)
    assert only("tasmota", "IRSend raw,36,889,0110").once == (889, 1778, 1778, 889)
    with pytest.raises(FormatError, match="stands for no timing"):
        formats.load("tasmota", "IRSend 0,+500B")


def test_esphomes_actions_are_found_wherever_they_stand():
    text = """
esphome: {name: blaster}
wifi: {ssid: !secret wifi_ssid, password: !secret wifi_password}
remote_transmitter: {pin: GPIO4, carrier_duty_percent: 50%}
button:
  - platform: template
    name: "TV power"
    on_press:
      - remote_transmitter.transmit_nec: {address: 0xFB04, command: 0xF708}
      - delay: 1s
      - remote_transmitter.transmit_nec:
          address: 0xFB04
          command: 0xF708
          command_repeats: 3
switch:
  - platform: template
    id: amp
    turn_on_action:
      remote_transmitter.transmit_raw:
        carrier_frequency: 36.7kHz
        code: [9000, -4500,
               560]
        repeat: {times: 2, wait_time: 10ms}
    turn_off_action:
      - remote_transmitter.transmit_pronto:
          data: "0000 006D 0001 0000 0010 0020"
"""
    power, again, on, off = formats.load("esphome", text)
    assert [power.name, again.name, on.name, off.name] == ["TV power", "TV power 2", "amp", "amp 2"]
    assert again.once == from_fields("A", "nec", address=4, command=8, repeats=2).once
    assert on.carrier == 36700 and on.once == (9000, 4500, 560, 10000, 9000, 4500, 560)
    assert off.once == (421, 841)


def test_esphome_sends_raw_without_a_carrier_where_none_is_told():
    signal = only("esphome", "- remote_transmitter.transmit_raw: [500, -600, 500]")
    assert signal.carrier == UNMODULATED and signal.once == (500, 600, 500)


def test_esphomes_aliases_are_followed_and_its_lambdas_are_not_run():
    text = """
common: &tv {address: 0xFB04}
button:
  - name: A
    on_press: {remote_transmitter.transmit_nec: {<<: *tv, command: 0xF708}}
"""
    assert only("esphome", text).fields == {"protocol": "nec", "address": 4, "command": 8}
    with pytest.raises(FormatError, match=r"command is computed \(!lambda\)"):
        esphome("nec", "address: 1; command: !lambda return 2;")


def test_what_is_written_for_esphome_can_be_pasted_into_a_configuration():
    signals = [
        from_fields("Power", "nec", address=4, command=8),
        from_fields("Vol: up", "sony12", address=1, command=18),
    ]
    signals[1] = from_fields("Vol +", "sony12", address=1, command=18)
    text, lost = formats.dump("esphome", signals)
    assert not lost
    assert text == (
        "button:\n- platform: template\n  name: Power\n  on_press:\n"
        "  - remote_transmitter.transmit_nec:\n      address: 0xFB04\n      command: 0xF708\n"
        "- platform: template\n  name: Vol +\n  on_press:\n"
        "  - remote_transmitter.transmit_sony:\n      data: 0x490\n      nbits: 12\n"
        "      repeat:\n        times: 3\n        wait_time: 25800us\n"
    )


def test_hos_takes_hz_for_what_it_is():
    for row in ({"freq_khz": 38, "raw": [500, 500]}, {"freq": 38000, "raw": [500, 500]}):
        signal = only("hos", json.dumps({"irCommands": {"X": row}}))
        assert signal.carrier == 38000 and signal.once == (500, 500)


def test_hos_has_devices_lists_and_what_an_extender_learned():
    row = {"freq_khz": 38, "duty": 50, "repeat": 2, "raw": [500, 600, 500]}
    whole = {"name": "tv", "properties": {"extenderIp": "192.0.2.1", "irCommands": {"on": row}}}
    signal = only("hos", json.dumps(whole))
    assert (signal.name, signal.duty, signal.once) == ("on", 50, (500, 600, 500, 40000, 500, 600, 500))
    assert only("hos", json.dumps(row)).once == signal.once
    assert only("hos", json.dumps([{"name": "up", **row}])).name == "up"
    learned = {"type": "ir_rx", "freq_khz": 38, "frames": 2, "gap_ms": 40, "countA": 3, "a": [500, 600, 500]}
    assert only("hos", json.dumps(learned)).once == (500, 600, 500)
    learned |= {"countB": 1, "b": [700], "combined_count": 5, "combined": [500, 600, 500, 40000, 700]}
    assert only("hos", json.dumps(learned)).once == (500, 600, 500, 40000, 700)
    assert '"duty": 50' in formats.dump("hos", [signal])[0]


def test_home_assistants_messages_are_read_one_by_one_too():
    message = {"timings": [500, -600, 500], "modulation": 36000, "repeat_count": 1}
    signal = only("homeassistant", json.dumps(message))
    assert signal.carrier == 36000 and signal.once == (500, 600, 500, 40000, 500, 600, 500)
    assert [one.name for one in formats.load("homeassistant", json.dumps([message] * 2))] == [
        "command1",
        "command2",
    ]
    written = json.loads(formats.dump("homeassistant", [from_timings("On", 38000, [500, 600])])[0])
    assert written == {"On": {"modulation": 38000, "timings": [500, -600], "repeat_count": 0}}


def test_broadlinks_repeats_hex_and_home_assistants_store():
    packet = bytes((0x26, 0, 4, 0, 16, 32, 16, 0)) + b"\0" * 8
    twice = bytes((0x26, 1, 4, 0, 16, 32, 16, 48))
    assert only("broadlink", base64.b64encode(bytes((0x26, 0, 3, 0, 16, 32, 16))).decode()).once == (
        487,
        975,
        487,
    )
    assert only("broadlink", twice.hex()).once == (487, 975, 487, 1462) * 2
    stored = {
        "version": 1,
        "key": "broadlink_remote_x_codes",
        "data": {"tv": {"on": twice.hex(), "mute": [twice.hex()] * 2}},
    }
    assert [one.name for one in formats.load("broadlink", json.dumps(stored))] == [
        "tv on",
        "tv mute 1",
        "tv mute 2",
    ]
    with pytest.raises(FormatError, match="ends inside a timing"):
        formats.load("broadlink", packet.hex())
    with pytest.raises(FormatError, match="433 MHz"):
        formats.load("broadlink", (b"\xb2" + packet[1:]).hex())


def test_the_devices_own_actions_are_read_and_written():
    line = 'A: ir_send {"encoding":"rc5","address":5,"command":12}'
    signal = only("device", line)
    assert formats.dump("device", [signal]) == (line + "\n", [])
    assert only("device", 'A: ir_send_nec {"address":4,"command":8,"repeats":1}').once == (
        from_fields("A", "nec", address=4, command=8, repeats=1).once
    )
    assert only("device", 'A: ir_send_nec {"address":48900,"command":8}').fields["protocol"] == "necext"
    raw = only("device", 'A: ir_send_raw {"freq_khz":36.7,"raw":[500,600,500],"repeat":2,"duty":25}')
    assert (raw.carrier, raw.duty, raw.once) == (36700, 25, (500, 600, 500, 40000, 500, 600, 500))
    assert only("device", 'A: ir_send_pronto {"code":"900A 006D 0000 0001 04FB 08F7"}').fields["command"] == 8
    pioneer = 'A: ir_send {"encoding":"nec","address":165,"command":28,"freq_khz":40,"duty":25}'
    assert (only("device", pioneer).carrier, only("device", pioneer).duty) == (40000, 25)
    assert formats.dump("device", [only("device", pioneer)]) == (pioneer + "\n", [])
    toggled = from_fields("A", "rc5", address=5, command=12, toggle=1)
    assert formats.dump("device", [toggled]) == (
        line + "\n",
        ["A: its toggle bit; the device changes it with every press"],
    )


def test_what_cannot_be_had_is_left_out_by_name_and_the_rest_is_had():
    head = "functionname,protocol,device,subdevice,function\n"
    signals, refused = formats.load_some("irdb", head + "A,NEC1,4,-1,8\nB,Sharp,1,-1,2\nC,NEC1,4,-1,9\n")
    assert [signal.name for signal in signals] == ["A", "C"]
    assert refused == ["B: protocol Sharp is known, but not spoken here; learn the button"]


def test_the_format_of_a_file_is_found_by_its_looks():
    signals = [
        from_fields("Power", "nec", address=4, command=8),
        from_timings("Raw", 38000, [9000, 4500] * 9),
    ]
    for name in formats.NAMES:
        held = signals[:1] if name == "irdb" else signals
        assert guess(formats.dump(name, held)[0]) == name, name
    assert guess("- remote_transmitter.transmit_nec: {}") == "esphome"
    assert guess("", "tv.ir") == "flipper" and guess("hello") is None
    assert guess('{"IrReceived":{"Protocol":"NEC"}}') == "tasmota"
    assert guess("260050001234") == "broadlink"
    assert guess('ir_learned: executed {"freq_khz": 38, "raw": [5], "total": 1}') == "device"
