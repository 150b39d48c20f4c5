"""The wire: one frame for each message, one message for each frame, and a refusal for all other bytes."""

import dataclasses
import time
import tracemalloc
import typing
from collections.abc import Callable

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.protocol.messages import Report, Terms
from idml.protocol.roles.conversation import (
    Accept,
    Decline,
    Envelope,
    JudgedResult,
    Message,
    ModelSent,
    Offer,
    ReportSent,
    ResultRequest,
    ResultSent,
    ValidationRequest,
)
from idml.protocol.wire import (
    MAX_FRAME_BYTES,
    MAX_REASON_BYTES,
    MAX_SIGNATURE_BYTES,
    VERSION,
    WireError,
    decode,
    encode,
)

KINDS: tuple[type, ...] = typing.get_args(Message)

words32 = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
signatures = st.one_of(
    st.binary(min_size=65, max_size=65), st.sampled_from((0, 255, 256, MAX_SIGNATURE_BYTES)).map(bytes)
)


def uints(bits: int) -> st.SearchStrategy[int]:
    """Of all sizes: CBOR writes them in 1, 2, 3, 5, 9 or more bytes."""
    edges = {0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, 2**64, 2**96 - 1}
    return st.one_of(st.sampled_from(sorted(edge for edge in edges if edge < 1 << bits)), st.integers(0, 2**bits - 1))


BITS = {"reward": 96, "seats": 32, "as_of": 40, "deadline": 40, "nonce": 64}


def built(kind: type) -> st.SearchStrategy[typing.Any]:
    """All instances of a dataclass."""
    types = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: values(field.name, types[field.name]) for field in dataclasses.fields(kind)})


def values(name: str, kind: type) -> st.SearchStrategy[typing.Any]:
    """All values of one of its fields."""
    if kind is bytes:
        return {"signature": signatures, "learner": addresses, "neighbor": addresses, "reporter": addresses}.get(
            name, words32
        )
    if kind is str:
        return st.text(max_size=MAX_REASON_BYTES // 4)
    return uints(BITS[name]) if kind is int else built(kind)


messages = st.one_of([built(kind) for kind in KINDS])
envelopes = st.builds(Envelope, conversation=words32, sender=addresses, message=messages)
frames = envelopes.map(encode)


def reference(item: object) -> bytes:
    """RFC 8949, section 4.2.1, for what frames are made of: an implementation of its own."""
    match item:
        case int() if item >= 1 << 64:
            return b"\xc2" + reference(item.to_bytes((item.bit_length() + 7) // 8, "big"))
        case int():
            return head(0, item)
        case bytes():
            return head(2, len(item)) + item
        case str():
            return head(3, len(item.encode())) + item.encode()
        case list():
            return head(4, len(item)) + b"".join(map(reference, item))
    raise AssertionError(item)


def head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(size for size in range(4) if argument < 1 << (8 << size))
    return bytes([major << 5 | 24 + size]) + argument.to_bytes(1 << size, "big")


def read(frame: bytes) -> Envelope | None:
    """What a frame says, or None if it is refused, as it should be; fails for any other outcome."""
    try:
        envelope = decode(frame)
    except WireError as error:
        text = str(error)
        assert text.isprintable()
        assert 0 < len(text) < 200
        return None
    assert encode(envelope) == frame
    return envelope


CONVERSATION, SENDER = b"\xcc" * 32, b"\xee" * 20
TERMS = Terms(
    task=b"\x01" * 32,
    learner=b"\x02" * 20,
    neighbor=b"\x03" * 20,
    reward=20 * 10**18,
    model_before=b"\x04" * 32,
    learner_commitment=b"\x05" * 32,
    neighbor_commitment=b"\x06" * 32,
    seats=23,
    as_of=1_700_000_000,
    deadline=1_700_003_600,
    nonce=300,
)
REPORT = Report(b"\x07" * 32, b"\x08" * 20, b"\x09" * 32, b"\x0a" * 32, b"\x0b" * 32)
SIGNATURE = b"\x0c" * 65

TERMS_HEX = (
    f"8b 5820{'01' * 32} 54{'02' * 20} 54{'03' * 20} c2490115 8e460913d00000 5820{'04' * 32} 5820{'05' * 32}"
    f" 5820{'06' * 32} 17 1a6553f100 1a6553ff10 19012c"
)
REPORT_HEX = f"85 5820{'07' * 32} 54{'08' * 20} 5820{'09' * 32} 5820{'0a' * 32} 5820{'0b' * 32}"
SIGNATURE_HEX = f"5841{'0c' * 65}"
ENVELOPE_HEX = f"5820{'cc' * 32} 54{'ee' * 20}"

GOLDEN: tuple[tuple[Message, str], ...] = (
    (Offer(TERMS), f"85 01 01 {ENVELOPE_HEX} 81 {TERMS_HEX}"),
    (Accept(TERMS, SIGNATURE), f"85 01 02 {ENVELOPE_HEX} 82 {TERMS_HEX} {SIGNATURE_HEX}"),
    (Decline("10 € is too little"), f"85 01 03 {ENVELOPE_HEX} 81 74 313020e282ac20697320746f6f206c6974746c65"),
    (ModelSent(b"\x0d" * 32), f"85 01 04 {ENVELOPE_HEX} 81 5820{'0d' * 32}"),
    (
        ResultSent(b"\x0d" * 32, REPORT, SIGNATURE),
        f"85 01 05 {ENVELOPE_HEX} 83 5820{'0d' * 32} {REPORT_HEX} {SIGNATURE_HEX}",
    ),
    (ReportSent(REPORT, SIGNATURE), f"85 01 06 {ENVELOPE_HEX} 82 {REPORT_HEX} {SIGNATURE_HEX}"),
    (
        ValidationRequest(b"\x0d" * 32, b"\x0e" * 32, b"\x0f" * 32),
        f"85 01 07 {ENVELOPE_HEX} 83 5820{'0d' * 32} 5820{'0e' * 32} 5820{'0f' * 32}",
    ),
    (ResultRequest(b"\x0d" * 32, b"\x0e" * 32), f"85 01 08 {ENVELOPE_HEX} 82 5820{'0d' * 32} 5820{'0e' * 32}"),
    (JudgedResult(b"\x0d" * 32), f"85 01 09 {ENVELOPE_HEX} 81 5820{'0d' * 32}"),
)
"""For each kind of message one frame, which must never change within a version."""

GOOD = [encode(Envelope(CONVERSATION, SENDER, message)) for message, _ in GOLDEN]
OFFER, DECLINE, JUDGED = GOOD[0], GOOD[2], GOOD[8]


@pytest.mark.parametrize(("message", "golden"), GOLDEN, ids=lambda value: type(value).__name__)
def test_the_format_has_not_changed(message: Message, golden: str) -> None:
    envelope = Envelope(CONVERSATION, SENDER, message)
    assert encode(envelope).hex() == golden.replace(" ", "")
    assert decode(bytes.fromhex(golden)) == envelope


def test_each_kind_of_message_has_a_golden_frame_and_a_number_of_its_own() -> None:
    assert tuple(type(message) for message, _ in GOLDEN) == KINDS
    assert [frame[2] for frame in GOOD] == list(range(1, len(KINDS) + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_encoded_decodes_to_the_same(kind: type) -> None:
    @settings(max_examples=40)
    @given(st.builds(Envelope, conversation=words32, sender=addresses, message=built(kind)))
    def check(envelope: Envelope) -> None:
        frame = encode(envelope)
        assert decode(frame) == envelope
        assert encode(dataclasses.replace(envelope)) == frame
        assert len(frame) <= MAX_FRAME_BYTES

    check()


@settings(max_examples=100)
@given(envelopes)
def test_frames_are_those_of_an_independent_deterministic_encoder(envelope: Envelope) -> None:
    def fields(value: object) -> object:
        if not dataclasses.is_dataclass(value):
            return value
        return [fields(getattr(value, field.name)) for field in dataclasses.fields(value)]

    message, number = envelope.message, KINDS.index(type(envelope.message)) + 1
    assert encode(envelope) == reference([VERSION, number, envelope.conversation, envelope.sender, fields(message)])


# Whatever comes


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: OFFER[:60] + tail)))
def test_arbitrary_bytes_are_read_or_refused(frame: bytes) -> None:
    read(frame)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frame with bits flipped, bytes lost or put in, or another one's end."""
    frame = bytearray(draw(frames))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(frame)))
        match draw(st.sampled_from(("flip", "cut", "lose", "insert", "splice"))):
            case "flip" if at < len(frame):
                frame[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del frame[at:]
            case "lose":
                del frame[at : at + draw(st.integers(1, 40))]
            case "insert":
                frame[at:at] = draw(st.binary(min_size=1, max_size=20))
            case "splice":
                other = draw(frames)
                frame[at:] = other[draw(st.integers(0, len(other))) :]
    return bytes(frame)


@pytest.mark.slow
@settings(max_examples=500)
@given(damaged())
def test_damaged_frames_are_read_or_refused(frame: bytes) -> None:
    read(frame)


ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.floats(),
        st.integers(-(2**70), 2**300),
        st.binary(max_size=40),
        st.text(max_size=10),
        st.builds(cbor2.CBORTag, st.integers(0, 300), st.one_of(st.integers(), st.binary(max_size=3), st.just([]))),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.integers(0, 9), st.text(max_size=2)), inner)
    ),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=500)
@given(frames, ODD, st.data())
def test_a_value_of_another_type_or_size_is_read_or_refused(frame: bytes, odd: object, data: st.DataObject) -> None:
    items = part = cbor2.loads(frame)
    while True:
        at = data.draw(st.integers(0, len(part) - 1))
        if not isinstance(part[at], list) or data.draw(st.booleans()):
            break
        part = part[at]
    part[at] = odd
    read(cbor2.dumps(items))


SWAPS: dict[str, tuple[bytes, bytes, bytes, str]] = {
    "a longer integer": (OFFER, b"\x17\x1a", b"\x18\x17\x1a", "only encoding"),
    "a bignum below 2^64": (OFFER, b"\x17\x1a", b"\xc2\x41\x17\x1a", "malformed: must be a byte string of 9"),
    "a bignum of no bytes": (OFFER, b"\x17\x1a", b"\xc2\x40\x1a", "malformed: must be a byte string of 9"),
    "a bignum with leading zeros": (OFFER, b"\xc2\x49", b"\xc2\x4a\x00", "only encoding"),
    "a longer length": (DECLINE, b"\x74\x31", b"\x78\x14\x31", "only encoding"),
    "a longer array head": (OFFER, b"\x81\x8b", b"\x81\x98\x0b", "only encoding"),
    "a text of indefinite length": (DECLINE, b"\x74\x31", b"\x7f\x74\x31", "indefinite or reserved"),
    "an array of indefinite length": (OFFER, b"\x81\x8b", b"\x81\x9f", "indefinite or reserved"),
    "a reserved length": (OFFER, b"\x17\x1a", b"\x1c" + bytes(15) + b"\x17\x1a", "indefinite or reserved"),
    "a map": (OFFER, b"\x81\x8b", b"\x81\xa5", "a map begins at byte 59"),
    "a map with the same key twice": (DECLINE, b"\x81\x74", b"\xa2\x01\x01\x01\x01\x81\x74", "a map begins"),
    "a tag": (OFFER, b"\x81\x8b", b"\xd8\x1c\x81\x8b", "a tag begins at byte 58"),
    "a tag without effect": (DECLINE, b"\x74\x31", b"\xd9\xd9\xf7\x74\x31", "a tag begins"),
    "a negative integer": (OFFER, b"\x17\x1a", b"\x20\x1a", "a negative integer begins"),
    "a float": (OFFER, b"\x17\x1a", b"\xf9\x4d\xc0\x1a", "a float or simple value begins"),
    "true in place of 1": (OFFER, b"\x17\x1a", b"\xf5\x1a", "a float or simple value begins"),
    "null": (OFFER, b"\x17\x1a", b"\xf6\x1a", "a float or simple value begins"),
    "bytes that are no UTF-8": (DECLINE, b"\xe2\x82\xac", b"\xe2\x82\x28", "cannot be read: must be UTF-8"),
    "a surrogate in UTF-8": (DECLINE, b"\xe2\x82\xac", b"\xed\xa0\x80", "cannot be read: must be UTF-8"),
    "a text in place of bytes": (JUDGED, b"\x81\x58", b"\x81\x78", "JudgedResult.result is str .*: must be a byte st"),
    "bytes in place of a text": (DECLINE, b"\x74\x31", b"\x54\x31", "Decline.reason is bytes .*: must be a text"),
    "an integer in place of bytes": (JUDGED, JUDGED[58:], b"\x81\x05", "result is int 5: must be a byte string"),
    "bytes in place of an integer": (
        OFFER,
        b"\x17\x1a",
        b"\x41\x17\x1a",
        "Offer.terms.seats is bytes .*: must be an in",
    ),
    "a number out of range": (OFFER, b"\x17\x1a", b"\x1b" + b"\xff" * 8 + b"\x1a", "Offer.terms: seats is 18.*: must"),
    "an integer without end": (
        OFFER,
        b"\xc2\x49",
        b"\xc2\x58\x80" + bytes(119),
        "malformed: must be a byte string of 9 to 32",
    ),
    "a bignum that is an array": (OFFER, b"\xc2\x49", b"\xc2\x89", "the large integer at byte 136 is malformed"),
    "an array in place of a number": (DECLINE, b"\x85\x01\x03", b"\x85\x01\x80", "kind of message is list"),
    "an unknown kind of message": (
        DECLINE,
        b"\x85\x01\x03",
        b"\x85\x01\x0a",
        "kind of message is 10: must be between 1",
    ),
    "another kind's fields": (DECLINE, b"\x85\x01\x03", b"\x85\x01\x04", "ModelSent.model is str"),
    "a field too many": (JUDGED, b"\x81\x58", b"\x82\x00\x58", "JudgedResult has 2 items: must have 1"),
    "no array of fields": (DECLINE, b"\x81\x74", b"\x74", "Decline is str .*: must be an array of 1"),
    "a shorter digest": (JUDGED, b"\x58\x20" + b"\x0d" * 32, b"\x58\x1f" + b"\x0d" * 31, "31 bytes: must have 32"),
    "a shorter address": (DECLINE, b"\x54" + SENDER, b"\x53" + SENDER[1:], "sender has 19 bytes: must have 20"),
}


@pytest.mark.parametrize("name", SWAPS)
def test_there_is_one_encoding_and_one_type_for_each_value(name: str) -> None:
    frame, old, new, message = SWAPS[name]
    assert frame.count(old) == 1
    with pytest.raises(WireError, match=message):
        decode(frame.replace(old, new))


def test_frames_cut_short_or_followed_by_more_are_refused() -> None:
    for frame in GOOD:
        for length in range(len(frame)):
            with pytest.raises(WireError, match=r"ends after \d+ bytes|begins with 0x"):
                decode(frame[:length])
        with pytest.raises(WireError, match=f"1 bytes follow the message at byte {len(frame)}"):
            decode(frame + b"\0")
        with pytest.raises(WireError, match="follow the message"):
            decode(frame + frame)


@pytest.mark.parametrize("version", [0, 2, 23])
def test_frames_of_another_version_are_told_so_whatever_follows(version: int) -> None:
    for rest in (OFFER[2:], b"", b"\xff" * 100):
        with pytest.raises(WireError, match=f"is of version {version}, version {VERSION} is spoken here"):
            decode(OFFER[:1] + bytes([version]) + rest)


def test_bytes_that_are_no_frame_of_any_version_are_refused() -> None:
    for frame in (b"", b"\x85", b"GET / HTTP/1.1", b"\x80\x01", b"\x85\x18\x01" + OFFER[2:], b"\xa5" + OFFER[1:]):
        with pytest.raises(WireError, match="the frame begins with 0x"):
            decode(frame)


# Sizes

PREFIX = OFFER[:58]
HUGE = b"\x00\x00\x01" + bytes(5)  # 2^40


def big(argument: bytes) -> list[bytes]:
    """Short frames in which a string, an array, a map, a bignum, a set, two arrays are announced to be this long."""
    heads = (b"\x5b%b", b"\x7b%b", b"\x9b%b", b"\xbb%b", b"\xc2\x5b%b", b"\xd9\x01\x02\x9b%b", b"\x9b%b\x9b%b")
    return [
        (start + announced.replace(b"%b", argument) + bytes(11))
        for start in (b"\x85\x01", PREFIX)
        for announced in heads
    ]


def text(content: str) -> bytes:
    return head(3, len(content.encode())) + content.encode()


HOSTILE: dict[str, list[bytes]] = {
    "2^40 announced": big(HUGE),
    "2^63 announced": big(b"\x80" + bytes(7)),
    "2^64 - 1 announced": big(b"\xff" * 8),
    "deep": [PREFIX + b"\x81" * (MAX_FRAME_BYTES - 58), PREFIX + b"\xc2" * 60000, b"\x85\x01" + b"\xd8\x1c" * 30000],
    "many": [
        PREFIX + b"\x99\xff\xff" + item * ((MAX_FRAME_BYTES - 61) // len(item)) for item in (b"\x80", b"\0", b"`")
    ],
    "tags that work": [
        PREFIX + b"\x81\xd8\x23" + text("[\u0100-\U0010ffff]" * 3000 + "x"),
        PREFIX + b"\x81\xd8\x24" + text("a: b\n" * 12000),
        PREFIX + b"\x81\xc4\x82\x00\xc2" + head(2, 60000) + b"\xff" * 60000,
        PREFIX + b"\x81\xc5\x82\x1a\x7f\xff\xff\xff\x01",
    ],
    "long": [
        OFFER + bytes(1 << 22),
        PREFIX + b"\x81" + head(2, 60000) + bytes(60000),
        PREFIX + b"\x81" + text("\U0001f4a9" * 15000),
        PREFIX + b"\x81\xc2" + head(2, 60000) + b"\xff" * 60000,
    ],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_frames_take_neither_memory_nor_time(name: str) -> None:
    for frame in HOSTILE[name]:
        tracemalloc.start()
        start_s = time.process_time()
        assert read(frame) is None
        took_s, (_, peak_bytes) = time.process_time() - start_s, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 1 << 20
        assert took_s < 0.2


def test_the_largest_message_fits_and_what_is_larger_is_refused_on_both_sides() -> None:
    def sent(message: Message) -> Callable[[], bytes]:
        return lambda: encode(Envelope(CONVERSATION, SENDER, message))

    largest = sent(Accept(dataclasses.replace(TERMS, reward=2**96 - 1), bytes(MAX_SIGNATURE_BYTES)))()
    assert read(largest) is not None
    assert len(largest) < MAX_FRAME_BYTES
    with pytest.raises(WireError, match=r"Accept\.signature has 8193 bytes: must have 0 to 8192"):
        sent(Accept(TERMS, bytes(MAX_SIGNATURE_BYTES + 1)))()
    with pytest.raises(WireError, match=r"Accept\.signature has 8193 bytes"):
        decode(largest.replace(b"\x59\x20\x00", b"\x59\x20\x01") + b"\0")

    with pytest.raises(WireError, match="the frame has 65537 bytes: at most 65536 allowed"):
        decode(largest.ljust(MAX_FRAME_BYTES + 1, b"\0"))

    reason = "\u20ac" * (MAX_REASON_BYTES // 3) + "!"
    assert read(sent(Decline(reason))()) is not None
    with pytest.raises(WireError, match=r"Decline\.reason has 1025 bytes in UTF-8: at most 1024 allowed"):
        sent(Decline(reason + "!"))()
    with pytest.raises(WireError, match="reason has 1025 bytes"):
        decode(PREFIX.replace(b"\x85\x01\x01", b"\x85\x01\x03") + b"\x81" + text(reason + "!"))


# What cannot be said


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        (Envelope(b"short", SENDER, Decline("")), "conversation has 5 bytes: must have 32"),
        (Envelope(CONVERSATION, CONVERSATION, Decline("")), "sender has 32 bytes: must have 20"),
        (Envelope(CONVERSATION, SENDER, ModelSent(b"")), r"ModelSent\.model has 0 bytes: must have 32"),
        (Envelope(CONVERSATION, SENDER, ModelSent("m" * 32)), r"ModelSent\.model is str 'm.*: must be a byte"),  # type: ignore[arg-type]
        (Envelope(CONVERSATION, SENDER, Decline(b"no")), r"Decline\.reason is bytes b'no': must be a text"),  # type: ignore[arg-type]
        (Envelope(CONVERSATION, SENDER, Decline("a\ud800")), r"Decline\.reason has a lone surrogate at 1"),
        (Envelope(CONVERSATION, SENDER, Offer(None)), r"Offer\.terms is NoneType None: must be Terms"),  # type: ignore[arg-type]
        (Envelope(CONVERSATION, SENDER, REPORT), "the message is Report .*: must be one of Offer, Accept, "),  # type: ignore[arg-type]
        (
            Envelope(CONVERSATION, SENDER, Offer(dataclasses.replace(TERMS, reward=True))),
            r"Offer\.terms\.reward is bool True: must be an integer",
        ),
    ],
)
def test_an_envelope_that_fits_no_frame_is_refused_by_its_sender(envelope: Envelope, message: str) -> None:
    with pytest.raises(WireError, match=message):
        encode(envelope)
