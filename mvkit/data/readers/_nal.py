"""The first byte of an H.264 picture: what kind of slice it opens with, and whether anything refers to it."""

from av.video.stream import VideoStream


def nal_length_size(stream: VideoStream) -> int:
    """Bytes of the length before each H.264 unit (ISO/IEC 14496-15); 0 for other codecs and start-code streams."""
    extra = stream.codec_context.extradata or b""
    is_length_prefixed = stream.codec_context.name == "h264" and len(extra) > 6 and extra[0] == 1
    return (extra[4] & 3) + 1 if is_length_prefixed else 0


def first_slice(data: memoryview, length_size: int) -> int:
    """Header byte of the first coded slice (unit types 1 to 5) of a picture; -1 where there is none."""
    at = 0
    while at + length_size < len(data):
        header = data[at + length_size]
        if 1 <= header & 31 <= 5:
            return header
        at += length_size + int.from_bytes(data[at : at + length_size], "big")
    return -1


def is_restart(header: int) -> bool:
    """Whether the picture is IDR: nothing after it refers to anything before it."""
    return header >= 0 and header & 31 == 5


def is_unreferenced(header: int) -> bool:
    """Whether no other picture is made from it (nal_ref_idc 0, the same in all slices of a picture)."""
    return header >= 0 and header >> 5 & 3 == 0
