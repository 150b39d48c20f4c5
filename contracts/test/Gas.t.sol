// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Encounter, TaskParams, Terms} from "./utils/IDMLTest.sol";

/// @notice What each step costs: a transaction of its own, calldata and base fee counted, on accounts and lanes that
/// were used before, with the rules of `safe`. `npm run gas` fails where a cost is more than 1 % off `.gas-snapshot`.
/// @dev Each call is prepared in `setUp` and kept as code, which costs next to nothing to read; so a test costs what its
/// transaction costs. Nothing here may depend on chance.
abstract contract Gas is DealTest {
    struct Sent {
        address from;
        address data;
    }

    uint160 private blobs;

    function setUp() public virtual override {
        super.setUp();
        TaskParams memory p = params();
        (p.goodFaithBps, p.noVoteBps) = (0, 8000);
        taskId = idml.createTask(p);
    }

    function keep(address from, bytes memory call) internal returns (Sent memory) {
        address where = address(uint160(0xb10b0000) + ++blobs);
        vm.etch(where, call);
        return Sent(from, where);
    }

    function send(Sent memory sent) internal {
        bytes memory call = sent.data.code;
        vm.prank(sent.from);
        (bool ok,) = address(idml).call(call);
        assertTrue(ok, "failed");
    }
}

/// @notice Step by step. Parties call for themselves, so no signature but the neighbor's is needed.
/// forge-config: default.isolate = true
contract GasOfStepsTest is Gas {
    Sent private open;
    Sent private reportNeighbor;
    Sent private reportLearner;
    Sent private reportBoth_;
    Sent[3] private votes;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < validators.length; ++i) {
            setTarget(validators[i], STAKE);
        }
        setTarget(neighbor, STAKE);
        // Everyone acted before, in each lane that is used below.
        Encounter[] memory before = new Encounter[](7);
        for (uint256 i; i < 7; ++i) {
            before[i] = validating();
        }
        for (uint256 i; i < 7; ++i) {
            votesOf(before[i], 3);
        }

        Encounter memory e = opened();
        reportNeighbor = keep(neighbor, abi.encodeCall(idml.report, (e.progress, RESULT, NEIGHBOR_SECRET)));
        e = opened();
        reportAsNeighbor(e, RESULT);
        reportLearner = keep(learner, abi.encodeCall(idml.report, (e.progress, RESULT, LEARNER_SECRET)));
        e = opened();
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        reportBoth_ = keep(
            learner,
            abi.encodeCall(
                idml.reportBoth, (e.progress, RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, signature, NO_SIGNATURE)
            )
        );
        for (uint256 i; i < 3; ++i) {
            e = validating();
            votesOf(e, i);
            votes[i] = keep(e.progress.committee[i], abi.encodeCall(idml.vote, (e.progress, true)));
        }
        e = agreedOn(terms());
        assertEq(e.lane, 6, "a lane that was used");
        open = keep(learner, abi.encodeCall(idml.open, (e.terms, e.lane, NO_SIGNATURE, sign(neighbor, e.id))));
    }

    function test_gas_open() public {
        send(open);
    }

    function test_gas_reportOfTheNeighbor() public {
        send(reportNeighbor);
    }

    function test_gas_reportOfTheLearner() public {
        send(reportLearner);
    }

    function test_gas_reportBoth() public {
        send(reportBoth_);
    }

    function test_gas_vote1() public {
        send(votes[0]);
    }

    function test_gas_vote2() public {
        send(votes[1]);
    }

    function test_gas_vote3AndSettlement() public {
        send(votes[2]);
    }

    function votesOf(Encounter memory e, uint256 count) private {
        for (uint256 i; i < count; ++i) {
            vote(e, e.progress.committee[i], true);
        }
    }
}

/// @notice From signatures: alone, and many among those who know each other and have held their seats for long.
/// forge-config: default.isolate = true
contract GasOfBatchesTest is Gas {
    address[] private crowd;
    uint256 private used; // Nonces of each.
    Sent private alone;
    Sent private ten;
    Sent private hundred;
    Sent private coSigned;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 50; ++i) {
            crowd.push(newStaked(string.concat("device ", string(abi.encodePacked(uint8(48 + i))))));
            setBudget(crowd[i], REWARD, 16);
            setTarget(crowd[i], STAKE);
        }
        // Everyone sits for long, and was drawn before.
        vm.warp(block.timestamp + DELAY + 1);
        send(keepBatch(dealsAmong(100, 50)));
        used = 2;
        Deal[] memory deals = dealsAmong(1, 50);
        alone = keep(
            deals[0].terms.neighbor,
            abi.encodeCall(
                idml.settle,
                (taskId, deals[0].terms.learner, deals[0].terms.neighbor, pack(deals[0]), signAll(deals[0]))
            )
        );
        ten = keepBatch(dealsAmong(10, 50));
        hundred = keepBatch(dealsAmong(100, 50));
        deals = dealsAmong(100, 50);
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        bytes32[] memory signatures = cosign(taskId, parties, words);
        coSigned = keep(crowd[0], abi.encodeCall(idml.settleCosigned, (taskId, parties, words, signatures, noWallets)));
    }

    function test_gas_settle() public {
        send(alone);
    }

    function test_gas_settleBatchOf10() public {
        send(ten);
    }

    function test_gas_settleBatchOf100() public {
        send(hundred);
    }

    function test_gas_settleCosigned100Among50() public {
        send(coSigned);
    }

    function keepBatch(Deal[] memory deals) private returns (Sent memory) {
        address[] memory parties = partiesOf(deals);
        bytes memory call =
            abi.encodeCall(idml.settleBatch, (taskId, parties, pack(deals, parties), signAll(deals), noWallets));
        return keep(crowd[0], call);
    }

    /// @dev Each in turn learns from another, and all votes are yes.
    function dealsAmong(uint256 count, uint256 size) private view returns (Deal[] memory deals) {
        deals = new Deal[](count);
        Terms memory agreed = terms();
        uint256 step;
        for (uint256 i; i < count; ++i) {
            Terms memory own = abi.decode(abi.encode(agreed), (Terms));
            own.learner = crowd[i % size];
            own.neighbor = crowd[(i + 1 + i / size) % size];
            own.nonce = uint64(used + i / size);
            do {
                bytes32 secret = bytes32(bytes16(keccak256(abi.encode("gas", step++))));
                deals[i] = makeDeal(own, 7, secret, ~secret >> 128 << 128);
            } while (!areIn(deals[i].committee));
        }
    }

    /// @dev Those who are seated besides take no part: fifty parties are fifty.
    function areIn(address[] memory committee) private view returns (bool) {
        for (uint256 i; i < committee.length; ++i) {
            if (!isIn(crowd, committee[i])) return false;
        }
        return true;
    }
}
