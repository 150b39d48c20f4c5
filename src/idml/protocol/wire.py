"""Messages as bytes: how learner, neighbor and validators send each other what they say.

A frame is one message in its envelope. It is the CBOR array `[version, kind, conversation, sender, fields]`, in the
core deterministic encoding of RFC 8949, section 4.2 (https://www.rfc-editor.org/rfc/rfc8949.html). The kind is a number
from `_KINDS`. The fields are an array, in the order in which `_KINDS` lists them. Terms and Reports are arrays, too; no
frame holds a map. A frame holds only the digests of models; the models themselves travel beside it.

A message can be written in one way only: whatever `decode` accepts, `encode` writes as the same bytes.
"""

import reprlib
from dataclasses import dataclass
from typing import Any

import cbor2

from idml.errors import IdmlError
from idml.protocol.hashing import ADDRESS_BYTES, WORD_BYTES
from idml.protocol.messages import Report, Terms
from idml.protocol.roles.conversation import (
    Accept,
    Decline,
    Envelope,
    JudgedResult,
    ModelSent,
    Offer,
    ReportSent,
    ResultRequest,
    ResultSent,
    ValidationRequest,
)

VERSION = 1
"""Version of the frames, 0 to 23. Raise it when an existing kind of message changes; a new kind needs no new one."""

MAX_FRAME_BYTES = 1 << 16
MAX_SIGNATURE_BYTES = 1 << 13
"""The longest signature. A key's has 65 bytes; that of a contract wallet (ERC-1271) has as many as the wallet likes."""

MAX_REASON_BYTES = 1 << 10

# CBOR's major types, and its tag for integers of more than 64 bits
_UINT, _BYTES, _TEXT, _ARRAY, _TAG = 0, 2, 3, 4, 6
_REFUSED = {1: "a negative integer", 5: "a map", _TAG: "a tag", 7: "a float or simple value"}
_BIGNUM = 2
_MIN_BIGNUM_BYTES, _MAX_BIGNUM_BYTES = 9, 32
_MAX_ITEMS = 32
"""The most items of one frame: arrays, integers and strings together. The largest message has 19."""


class WireError(IdmlError, ValueError):
    """Bytes that are no valid frame, or an envelope that no frame can hold. Its text says in one line what is wrong."""


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A field that holds a byte string of `least` to `most` bytes."""

    least: int
    most: int

    def pack(self, name: str, value: object) -> bytes:
        if not isinstance(value, bytes):
            raise WireError(f"{name} is {_what(value)}: must be a byte string")
        if not self.least <= len(value) <= self.most:
            allowed = self.most if self.least == self.most else f"{self.least} to {self.most}"
            raise WireError(f"{name} has {len(value)} bytes: must have {allowed}")
        return bytes(value)

    unpack = pack


@dataclass(frozen=True, slots=True)
class _Text:
    """A field that holds a text of at most `most` bytes in UTF-8."""

    most: int

    def pack(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise WireError(f"{name} is {_what(value)}: must be a text")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise WireError(f"{name} has a lone surrogate at {error.start}: must be a text in UTF-8") from None
        if size > self.most:
            raise WireError(f"{name} has {size} bytes in UTF-8: at most {self.most} allowed")
        return str(value)

    unpack = pack


@dataclass(frozen=True, slots=True)
class _Number:
    """A field that holds an integer. Its range is checked by the class that it is a field of."""

    def pack(self, name: str, value: object) -> int:
        if type(value) is not int:  # a bool is an int, too
            raise WireError(f"{name} is {_what(value)}: must be an integer")
        return value

    unpack = pack


class _Record:
    """A dataclass, written as the array of its fields in the given order."""

    def __init__(self, kind: type, **fields: "_Bytes | _Text | _Number | _Record") -> None:
        self.kind = kind
        self.fields = fields

    def pack(self, name: str, value: object) -> list[object]:
        if type(value) is not self.kind:
            raise WireError(f"{name} is {_what(value)}: must be {self.kind.__name__}")
        return [field.pack(f"{name}.{key}", getattr(value, key)) for key, field in self.fields.items()]

    def unpack(self, name: str, item: object) -> Any:
        items = _array(name, item, len(self.fields))
        values = {
            key: field.unpack(f"{name}.{key}", value)
            for (key, field), value in zip(self.fields.items(), items, strict=True)
        }
        try:
            return self.kind(**values)
        except ValueError as error:
            raise WireError(f"{name}: {error}") from None


_WORD = _Bytes(WORD_BYTES, WORD_BYTES)
_ADDRESS = _Bytes(ADDRESS_BYTES, ADDRESS_BYTES)
_SIGNATURE = _Bytes(0, MAX_SIGNATURE_BYTES)
_NUMBER = _Number()

_TERMS = _Record(
    Terms,
    task=_WORD,
    learner=_ADDRESS,
    neighbor=_ADDRESS,
    reward=_NUMBER,
    model_before=_WORD,
    learner_commitment=_WORD,
    neighbor_commitment=_WORD,
    seats=_NUMBER,
    as_of=_NUMBER,
    deadline=_NUMBER,
    nonce=_NUMBER,
)
_REPORT = _Record(Report, encounter=_WORD, reporter=_ADDRESS, result=_WORD, secret=_WORD, previous=_WORD)

_KINDS = {
    1: _Record(Offer, terms=_TERMS),
    2: _Record(Accept, terms=_TERMS, signature=_SIGNATURE),
    3: _Record(Decline, reason=_Text(MAX_REASON_BYTES)),
    4: _Record(ModelSent, model=_WORD),
    5: _Record(ResultSent, result=_WORD, report=_REPORT, signature=_SIGNATURE),
    6: _Record(ReportSent, report=_REPORT, signature=_SIGNATURE),
    7: _Record(ValidationRequest, encounter=_WORD, model=_WORD, result=_WORD),
    8: _Record(ResultRequest, encounter=_WORD, result=_WORD),
    9: _Record(JudgedResult, result=_WORD),
}
"""All messages by number. Within a version, no number is given to another message and no message changes its fields."""

_NUMBERS = {record.kind: number for number, record in _KINDS.items()}


def encode(envelope: Envelope) -> bytes:
    """Write a message in its envelope.

    Returns:
        The frame, at most `MAX_FRAME_BYTES` long.

    Raises:
        WireError: for a value that no frame can hold: one of another type or of the wrong length, a signature longer
            than `MAX_SIGNATURE_BYTES`, or a reason longer than `MAX_REASON_BYTES`.
    """
    message = envelope.message
    number = _NUMBERS.get(type(message))
    if number is None:
        raise WireError(f"the message is {_what(message)}: must be one of {', '.join(k.__name__ for k in _NUMBERS)}")
    conversation = _WORD.pack("conversation", envelope.conversation)
    sender = _ADDRESS.pack("sender", envelope.sender)
    fields = _KINDS[number].pack(type(message).__name__, message)
    return cbor2.dumps([VERSION, number, conversation, sender, fields], canonical=True)


def decode(frame: bytes) -> Envelope:
    """Read a frame from anyone, trusted or not.

    Time and memory are bounded whatever the bytes are: a length that the frame states is checked before it is used.

    Args:
        frame: exactly the bytes of one frame.

    Raises:
        WireError: for any bytes that `encode` does not write, and for frames of another version.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise WireError(f"the frame has {len(frame)} bytes: at most {MAX_FRAME_BYTES} allowed, models travel beside it")
    _check_version(frame)
    _check_items(frame)
    try:
        items = _array("the frame", cbor2.loads(frame), 5)
    except cbor2.CBORError as error:  # nothing else is left to go wrong there
        raise WireError("a text of the frame cannot be read: must be UTF-8") from error
    kind = _NUMBER.unpack("the kind of message", items[1])
    record = _KINDS.get(kind)
    if record is None:
        raise WireError(f"the kind of message is {kind}: must be between {min(_KINDS)} and {max(_KINDS)}")
    conversation, sender = _WORD.unpack("conversation", items[2]), _ADDRESS.unpack("sender", items[3])
    envelope = Envelope(conversation, sender, record.unpack(record.kind.__name__, items[4]))
    if encode(envelope) != frame:
        raise WireError(
            f"the {record.kind.__name__} is not in its only encoding: must be as RFC 8949, section 4.2 says"
        )
    return envelope


def _check_version(frame: bytes) -> None:
    """Refuse frames of other versions.

    In every version, a frame is an array of fewer than 24 items, and the first item is the version, below 24.
    """
    if len(frame) < 2 or not 0x81 <= frame[0] <= 0x97 or frame[1] > 23:
        raise WireError(f"the frame begins with 0x{frame[:2].hex()}: must be an array that begins with a version")
    if frame[1] != VERSION:
        raise WireError(f"the frame is of version {frame[1]}, version {VERSION} is spoken here: update the older side")


def _check_items(frame: bytes) -> None:
    """Refuse frames with too many items, or with items that no message holds, before cbor2 makes objects of them.

    Without this check, one frame could keep cbor2 busy for seconds (a tag can make it compile a regular expression) or
    fill megabytes (each byte can be an empty array). It is the check of RFC 8949, appendix C, without recursion.
    """
    at, owed, items = 0, 1, 0
    while owed:
        major, argument, after = _head(frame, at)
        items += 1
        if items > _MAX_ITEMS:
            raise WireError(f"the frame has more than {_MAX_ITEMS} items: no message has as many")
        owed -= 1
        if major == _ARRAY:
            owed += argument
        elif major == _TAG and argument == _BIGNUM:
            inner, argument, after = _head(frame, after)
            if inner != _BYTES or not _MIN_BIGNUM_BYTES <= argument <= _MAX_BIGNUM_BYTES:
                allowed = f"{_MIN_BIGNUM_BYTES} to {_MAX_BIGNUM_BYTES}"
                raise WireError(
                    f"the large integer at byte {at} is malformed: must be a byte string of {allowed} bytes"
                )
            after += argument
        elif major in (_BYTES, _TEXT):
            after += argument
        elif major != _UINT:
            raise WireError(f"{_REFUSED[major]} begins at byte {at} of the frame: no message has any")
        if after > len(frame):
            raise WireError(f"the frame ends after {len(frame)} bytes: the item at byte {at} goes on to {after}")
        at = after
    if at != len(frame):
        raise WireError(f"{len(frame) - at} bytes follow the message at byte {at}: send one message in a frame")


def _head(frame: bytes, at: int) -> tuple[int, int, int]:
    """Major type and argument of the item that begins at a byte, and the byte at which its head ends."""
    if at >= len(frame):
        raise WireError(f"the frame ends after {len(frame)} bytes: more items are announced")
    major, short = divmod(frame[at], 32)
    if short < 24:
        return major, short, at + 1
    if short > 27:
        raise WireError(f"the length at byte {at} of the frame is indefinite or reserved: must be stated")
    after = at + 1 + (1 << short - 24)
    return major, int.from_bytes(frame[at + 1 : after], "big"), after


def _array(name: str, item: object, length: int) -> list[object]:
    if not isinstance(item, list):
        raise WireError(f"{name} is {_what(item)}: must be an array of {length}")
    if len(item) != length:
        raise WireError(f"{name} has {len(item)} items: must have {length}")
    return item


def _what(value: object) -> str:
    """The type of a value, and how it begins."""
    return f"{type(value).__name__} {reprlib.repr(value)[:60]}"
