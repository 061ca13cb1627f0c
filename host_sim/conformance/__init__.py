"""The conformance kit: `python -m host_sim conformance` tells whether an implementation keeps the text.

What is under test is a *target*: a codec program, a device, or a cloud, each behind one module here (`codec`,
`device`, `cloud`) that says which cases there are and how a case gets a peer to talk to. Everything else they
share: cases (`case`), running them (`running`), features and known deviations (`features`, `xfail`), reports.

The kit must never judge by anything but what its peer answers, and never ask a user to read its code.
"""
