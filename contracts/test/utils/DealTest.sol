// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IDMLTest, Report, Terms, Vote} from "./IDMLTest.sol";

/// @notice An encounter that is settled from signatures.
/// @param committee The first V members, who vote.
/// @param ballots Bit i set: committee[i] votes yes.
struct Deal {
    bytes32 id;
    Terms terms;
    bytes32 learnerSecret;
    bytes32 neighborSecret;
    bytes32 result;
    bytes32 seed;
    address[] committee;
    uint256 ballots;
}

/// @notice Makes deals, signs them and packs them into calldata.
abstract contract DealTest is IDMLTest {
    uint256 internal constant UNIT = 1 << 48;
    bytes[] internal noWallets;

    /* WHAT IS AGREED ON */

    function makeDeal(uint256 ballots) internal view returns (Deal memory) {
        return makeDeal(terms(), ballots);
    }

    function makeDeal(Terms memory agreed, uint256 ballots) internal view returns (Deal memory) {
        return makeDeal(agreed, ballots, LEARNER_SECRET, NEIGHBOR_SECRET);
    }

    function makeDeal(Terms memory agreed, uint256 ballots, bytes32 learnerSecret, bytes32 neighborSecret)
        internal
        view
        returns (Deal memory d)
    {
        agreed.learnerCommitment = keccak256(abi.encode(learnerSecret));
        agreed.neighborCommitment = keccak256(abi.encode(neighborSecret));
        d.id = idml.hashTerms(agreed);
        (d.terms, d.learnerSecret, d.neighborSecret, d.result) = (agreed, learnerSecret, neighborSecret, RESULT);
        d.seed = keccak256(abi.encode(learnerSecret, neighborSecret));
        d.ballots = ballots;
        address[] memory all = idml.committeeOf(agreed, d.seed);
        uint256 votes = idml.task(agreed.task).votes;
        d.committee = new address[](all.length < votes ? all.length : votes);
        for (uint256 i; i < d.committee.length; ++i) {
            d.committee[i] = all[i];
        }
    }

    /// @dev Rounded up to what a budget can hold.
    function roundUp(uint256 reward) internal pure returns (uint256) {
        return (reward + UNIT - 1) / UNIT * UNIT;
    }

    /* CALLDATA */

    function list(Deal memory d) internal pure returns (Deal[] memory deals) {
        deals = new Deal[](1);
        deals[0] = d;
    }

    function list(Deal memory a, Deal memory b) internal pure returns (Deal[] memory deals) {
        deals = new Deal[](2);
        (deals[0], deals[1]) = (a, b);
    }

    /// @dev Word 0 as the library `Vouchers` describes it.
    function head(Deal memory d, uint256 learnerPlace, uint256 neighborPlace) internal pure returns (bytes32) {
        Terms memory t = d.terms;
        uint256 word = d.ballots << 96 | t.reward;
        word = word << 32 | uint32(t.nonce);
        word = word << 32 | t.seats;
        word = word << 40 | t.asOf;
        word = word << 24 | t.deadline - t.asOf;
        return bytes32(word << 16 | neighborPlace << 8 | learnerPlace);
    }

    function pack(Deal memory d) internal pure returns (bytes32[4] memory) {
        return [head(d, 0, 0), d.terms.modelBefore, d.result, secretsOf(d)];
    }

    function secretsOf(Deal memory d) internal pure returns (bytes32) {
        return d.learnerSecret | d.neighborSecret >> 128;
    }

    function pack(Deal[] memory deals, address[] memory parties) internal view returns (bytes32[] memory words) {
        uint256 votes = idml.task(deals[0].terms.task).votes;
        words = new bytes32[](wordsOf(deals.length, votes));
        for (uint256 i; i < deals.length; ++i) {
            Deal memory d = deals[i];
            words[4 * i] = head(d, placeOf(parties, d.terms.learner), placeOf(parties, d.terms.neighbor));
            (words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]) = (d.terms.modelBefore, d.result, secretsOf(d));
            for (uint256 j; j < d.committee.length; ++j) {
                (uint256 word, uint256 shift) = placeOfVoter(deals.length, votes, i, j);
                words[word] |= bytes32(placeOf(parties, d.committee[j]) << shift);
            }
        }
    }

    /// @dev Of a batch, with the indices of its voters.
    function wordsOf(uint256 count, uint256 votes) internal pure returns (uint256) {
        return 4 * count + (count * votes + 31) / 32;
    }

    /// @dev Where the index of a voter is written.
    function placeOfVoter(uint256 count, uint256 votes, uint256 deal, uint256 voter)
        internal
        pure
        returns (uint256 word, uint256 shift)
    {
        uint256 place = deal * votes + voter;
        return (4 * count + place / 32, 248 - place % 32 * 8);
    }

    /// @dev All who take part, once, ascending.
    function partiesOf(Deal[] memory deals) internal pure returns (address[] memory parties) {
        address[] memory all = new address[](18 * deals.length);
        uint256 count;
        for (uint256 i; i < deals.length; ++i) {
            count = insert(all, count, deals[i].terms.learner);
            count = insert(all, count, deals[i].terms.neighbor);
            for (uint256 j; j < deals[i].committee.length; ++j) {
                count = insert(all, count, deals[i].committee[j]);
            }
        }
        parties = new address[](count);
        for (uint256 i; i < count; ++i) {
            parties[i] = all[i];
        }
    }

    function insert(address[] memory sorted, uint256 count, address who) private pure returns (uint256) {
        uint256 place = count;
        while (place > 0 && sorted[place - 1] > who) {
            --place;
        }
        if (place > 0 && sorted[place - 1] == who) return count;
        for (uint256 i = count; i > place; --i) {
            sorted[i] = sorted[i - 1];
        }
        sorted[place] = who;
        return count + 1;
    }

    function placeOf(address[] memory parties, address who) internal pure returns (uint256 place) {
        while (place < parties.length && parties[place] != who) {
            ++place;
        }
    }

    /* SIGNATURES: the neighbor's Report, the learner's Report, the Votes in the order of the committee */

    /// @dev EIP-2098.
    function signShort(address who, bytes32 digest) internal view returns (bytes32 r, bytes32 vs) {
        uint8 v;
        (v, r, vs) = vm.sign(keys[who], digest);
        if (v == 28) vs |= bytes32(uint256(1) << 255);
    }

    function digestsOf(Deal memory d) internal view returns (bytes32[] memory digests) {
        digests = new bytes32[](2 + d.committee.length);
        digests[0] = idml.hashReport(Report(d.id, d.terms.neighbor, d.result, d.neighborSecret, 0));
        digests[1] = idml.hashReport(Report(d.id, d.terms.learner, d.result, d.learnerSecret, digests[0]));
        for (uint256 i; i < d.committee.length; ++i) {
            bool accept = d.ballots >> i & 1 == 1;
            digests[2 + i] = idml.hashVote(Vote(d.id, d.committee[i], d.seed, d.result, accept));
        }
    }

    function signersOf(Deal memory d) internal pure returns (address[] memory signers) {
        signers = new address[](2 + d.committee.length);
        (signers[0], signers[1]) = (d.terms.neighbor, d.terms.learner);
        for (uint256 i; i < d.committee.length; ++i) {
            signers[2 + i] = d.committee[i];
        }
    }

    function signAll(Deal memory d) internal view returns (bytes32[] memory) {
        return signAll(list(d));
    }

    function signAll(Deal[] memory deals) internal view returns (bytes32[] memory signatures) {
        uint256 each = 2 * (2 + idml.task(deals[0].terms.task).votes);
        signatures = new bytes32[](each * deals.length);
        for (uint256 i; i < deals.length; ++i) {
            bytes32[] memory digests = digestsOf(deals[i]);
            address[] memory signers = signersOf(deals[i]);
            for (uint256 j; j < signers.length; ++j) {
                uint256 place = i * each + 2 * j;
                (signatures[place], signatures[place + 1]) = signShort(signers[j], digests[j]);
            }
        }
    }

    /// @dev What each party of a co-signed batch signs, written out as EIP-712 defines it.
    function hashBatch(bytes32 task, address[] memory parties, bytes32[] memory words) internal view returns (bytes32) {
        bytes32 typehash = keccak256("Batch(bytes32 task,address[] parties,bytes32[] encounters)");
        bytes32 who = keccak256(abi.encodePacked(parties));
        bytes32 statement = keccak256(abi.encode(typehash, task, who, keccak256(abi.encodePacked(words))));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("iDML"),
                keccak256("1"),
                block.chainid,
                address(idml)
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, statement));
    }

    function cosign(bytes32 task, address[] memory parties, bytes32[] memory words)
        internal
        view
        returns (bytes32[] memory signatures)
    {
        bytes32 digest = hashBatch(task, parties, words);
        signatures = new bytes32[](2 * parties.length);
        for (uint256 i; i < parties.length; ++i) {
            (signatures[2 * i], signatures[2 * i + 1]) = signShort(parties[i], digest);
        }
    }

    /* WHAT HAPPENS: brought by the test contract */

    function settle(Deal memory d) internal {
        settle(d, signAll(d));
    }

    function settle(Deal memory d, bytes32[] memory signatures) internal {
        idml.settle(d.terms.task, d.terms.learner, d.terms.neighbor, pack(d), signatures);
    }

    function settleBatch(Deal[] memory deals) internal {
        settleBatch(deals, signAll(deals));
    }

    function settleBatch(Deal[] memory deals, bytes32[] memory signatures) internal {
        address[] memory parties = partiesOf(deals);
        idml.settleBatch(deals[0].terms.task, parties, pack(deals, parties), signatures, noWallets);
    }

    function settleCosigned(Deal[] memory deals) internal {
        address[] memory parties = partiesOf(deals);
        bytes32 task = deals[0].terms.task;
        bytes32[] memory words = pack(deals, parties);
        idml.settleCosigned(task, parties, words, cosign(task, parties, words), noWallets);
    }

    /// @dev The next call settles nothing, for this reason.
    function expectNothing(bytes4 reason) internal {
        vm.expectRevert(abi.encodeWithSignature("NothingSettled(bytes4)", reason));
    }
}
