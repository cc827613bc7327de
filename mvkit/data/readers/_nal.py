"""The units of an H.264 picture: whether decoding may start at it, and whether anything refers to it."""

from av.video.stream import VideoStream


def nal_length_size(stream: VideoStream) -> int:
    """Bytes of the length before each H.264 unit (ISO/IEC 14496-15); 0 for other codecs and start-code streams."""
    extra = stream.codec_context.extradata or b""
    is_length_prefixed = stream.codec_context.name == "h264" and len(extra) > 6 and extra[0] == 1
    return (extra[4] & 3) + 1 if is_length_prefixed else 0


def slice_headers(data: memoryview, length_size: int) -> list[int]:
    """Header bytes of the coded slices (unit types 1 to 5) of a picture; none where its units do not add up."""
    at, headers = 0, []
    while at + length_size < len(data):
        if 1 <= data[at + length_size] & 31 <= 5:
            headers.append(data[at + length_size])
        at += length_size + int.from_bytes(data[at : at + length_size], "big")
    return headers if at == len(data) else []


def is_restart(headers: list[int]) -> bool:
    """Whether the picture is IDR: nothing after it refers to anything before it."""
    return bool(headers) and all(header & 31 == 5 for header in headers)


def is_unreferenced(headers: list[int]) -> bool:
    """Whether no other picture is made from it (nal_ref_idc 0). A damaged picture is not believed to be."""
    return bool(headers) and all(header >> 5 & 3 == 0 for header in headers)
