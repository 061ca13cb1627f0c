"""Names of protocols that others speak and this device does not, so that a refusal can say which it is.

It must never name one that is spoken. The names are those of Flipper's lib/infrared, IRremoteESP8266
(Tasmota), ESPHome's remote_base, and DecodeIR (IRDB).
"""

FLIPPER = "NEC42, NEC42ext, RCA, Pioneer"

TASMOTA = """
AIWA_RC_T501, ARGO, BOSE, CARRIER_AC, COOLIX, DAIKIN, DENON, DISH, DOSHISHA, ELECTRA_AC, EPSON,
FUJITSU_AC, GICABLE, GOODWEATHER, GREE, HAIER_AC, HITACHI_AC, INAX, KELVINATOR, LASERTAG, LEGOPF, LG2,
LUTRON, MAGIQUEST, METZ, MIDEA, MILESTAG2, MITSUBISHI, MITSUBISHI_AC, MULTIBRACKETS, MWM, NIKAI,
PANASONIC_AC, PIONEER, PRONTO, RCMM, SAMSUNG36, SAMSUNG_AC, SANYO, SANYO_LC7461, SHARP, SHARP_AC,
SHERWOOD, SYMPHONY, TCL112AC, TECO, TOSHIBA_AC, TROTEC, VESTEL_AC, WHIRLPOOL_AC, WHYNTER, XMP, ZEPEAL
"""

ESPHOME = """
abbwelcome, aeha, beo4, brennenstuhl, byronsx, canalsat, canalsatld, coolix, dish, dooya, drayton, dyson,
gobox, haier, hob2hood, keeloq, magiquest, midea, mirage, nexa, pioneer, rc_switch_raw, rc_switch_type_a,
rc_switch_type_b, rc_switch_type_c, rc_switch_type_d, roomba, samsung36, symphony, toto, toshiba_ac
"""

IRDB = """
48-NEC, 48-NEC1, 48-NEC2, AdNotam, AirAsync, Aiwa, AK, Akai, Amino, Anthem, Apple, Archer, Async, Barco,
Blaupunkt, Bose, Bryston, CanalSat, CanalSatLD, Denon, Denon{1}, Denon{2}, Dgtec, DirecTV, Dishplayer,
Dish_Network, Elan, Emerson, F12, F32, Fujitsu, Fujitsu-56, G.I. Cable, G.I. Cable{1}, G.I.Cable, G.I.
4DTV, G.I. RG, Grundig16, Grundig16-30, GXB, Humax 4Phase, IODATAn, Jerrold, JVC-56, Kaseikyo, Kaseikyo56,
Kathrein, Konka, Logitech, Lumagen, Lutron, Matsui, MCE, Metz19, Mitsubishi, Mitsubishi-K, NEC1-rnc,
NEC1-y1, NEC1-y2, NEC1-y3, Nokia, Nokia12, Nokia32, NRC16, NRC17, OrtekMCE, Pace MSS, Panasonic2,
Panasonic_Old, PCTV, pid-0001, pid-0003, pid-0004, pid-0083, Proton, RC5-7F, RC5-7F-57, RC5x, RC6-6-20,
RC6-6-32, RCA, RCA(Old), RCA-38, RCA-38(Old), RECS80, RECS80-0045, RECS80-0068, RECS80-0090, Replay,
Revox, Samsung20, Samsung36, Sampo, ScAtl-6, Sejin-M-38, Sejin-M-56, Sharp, Sharp{1}, Sharp{2}, SharpDVD,
SIM2, Solidtek16, Solidtek20, Somfy, Sony8, StreamZap, StreamZap-57, Sunfire, TDC-38, TDC-56, Teac-K,
Thomson, Thomson7, Tivo, Velleman, Velodyne, Viewstar, X10, X10.n, XMP, XMP-1, XMP-2, Zaptor, Zenith
"""


def names(text: str) -> frozenset[str]:
    """The names of one of the lists above."""
    return frozenset(" ".join(name.split()) for name in text.split(","))
