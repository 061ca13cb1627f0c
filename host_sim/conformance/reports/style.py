"""How the HTML report looks: light or dark as the reader's system is, legible on paper and on a telephone."""

STYLE = """
:root{color-scheme:light dark;--back:#fff;--fore:#1c2024;--dim:#60646c;--line:#d9d9e0;--soft:#f4f4f7;
--passed:#18794e;--failed:#c62a2f;--skipped:#6f7178;--xfailed:#8a5d00}
@media(prefers-color-scheme:dark){:root{--back:#16181c;--fore:#e8e8ec;--dim:#a0a2aa;--line:#35373d;
--soft:#1f2227;--passed:#4cc38a;--failed:#ff8b8b;--skipped:#a0a2aa;--xfailed:#f1a10d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:2rem 1.25rem 4rem;background:var(--back);color:var(--fore);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .5rem}
p{margin:.25rem 0}.dim{color:var(--dim)}
code,.id{font-family:ui-monospace,"Cascadia Mono",Menlo,"DejaVu Sans Mono",monospace;font-size:.86em}
code{overflow-wrap:anywhere}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.25rem 0;font-size:.8em}
.id{white-space:nowrap}.wrap{white-space:normal}
.totals{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}
.totals div{border:1px solid var(--line);border-radius:.5rem;padding:.5rem 1rem;min-width:7rem;
background:var(--soft)}
.totals b{display:block;font-size:1.6rem;line-height:1.2}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;color:var(--dim);border-bottom:2px solid var(--line);padding:.3rem .6rem}
td{vertical-align:top;border-bottom:1px solid var(--line);padding:.35rem .6rem}
tr:target{background:var(--soft)}
.said{color:var(--dim);font-size:.87rem;line-height:1.4;max-width:46rem}
.chips{min-width:15rem}.chips a{display:inline-block;margin-right:.6rem}
.matrix td:first-child{width:55%}.matrix td:nth-child(2){white-space:nowrap}
.passed{color:var(--passed)}.failed{color:var(--failed)}.skipped{color:var(--skipped)}
.xfailed{color:var(--xfailed)}
.stopped{border-left:4px solid var(--failed);padding:.5rem 1rem;background:var(--soft)}
a{color:inherit;text-decoration:none}a:hover,a:focus{text-decoration:underline}
.group{border-bottom:1px solid var(--line);padding:.3rem 0}summary{cursor:pointer}
.group>summary{font-weight:600}.group>summary span{font-weight:400}
"""
