"""Devices that run Linux: edgebnn is put on them, an agent serves one caller there, and this side is a thin target.

``wire``: the frames that both sides speak. On the device: ``start`` (unpacks what was sent), ``agent``, ``store``. On
this side: ``device`` (what differs between an emulated system and ssh), ``client``, ``target``, ``bundle`` (what is
sent).
"""
