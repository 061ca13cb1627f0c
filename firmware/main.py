"""Runs the device that hxtp.json describes. Without a usable one it says what to do and leaves the prompt."""

from hxtp_device import guard

if guard.start().safe:
    guard.start().stay()
else:
    from hxtp_device import device as module
    from hxtp_device.settings import SettingsError

    try:
        device = module.build()
        del module.build  # 1 kB that is needed once
    except SettingsError as mistake:
        print("hxtp:", mistake)
        guard.start().healthy()  # resets that come while it waits lead to no safe mode, which would not tell
    except Exception:
        guard.start().again()
        raise
    else:
        device.run()
