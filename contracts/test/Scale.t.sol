// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Account, Encounter, Phase, Terms} from "./utils/IDMLTest.sol";

/// @notice With ten thousand participants everything costs what it costs with ten, and each is drawn as often.
contract ScaleTest is DealTest {
    /// @dev The storage slots of all participants, of the seat table and of its seats.
    uint256 private constant PARTICIPANTS = 3;
    uint256 private constant TABLE = 7;
    uint256 private constant SEATS = 8;

    uint256 private constant MANY = 10_000;

    function test_scale_theTableIsWhereThisTestWritesIt() public {
        seatStrangers(12);
        Account memory expected;
        (expected.stake, expected.seat) = (uint96(STAKE), 12);
        assertEq(idml.seatCount(), 12, "seats");
        assertEq(idml.seat(11).member, stranger(11), "member");
        assertEq(idml.seat(11).activeFrom, START, "active");
        assertEq(idml.seat(6).member, validators[4], "a real one");
        assertEq(keccak256(abi.encode(idml.account(stranger(11)))), keccak256(abi.encode(expected)), "account");
    }

    /// @dev Joining, leaving, returning, drawing, and each step of an encounter.
    function test_scale_noLoopGrows() public {
        seatStrangers(10);
        uint256 start = vm.snapshotState();
        uint256[7] memory few = costs();
        vm.revertToState(start);
        seatStrangers(MANY);
        uint256[7] memory many = costs();
        string[7] memory names = ["join", "leave", "return", "open", "report", "settle", "batch"];
        for (uint256 i; i < 7; ++i) {
            // A draw among ten meets some seat twice; among ten thousand never. Non-zero bytes cost a little more.
            assertLe(many[i], few[i] + few[i] / 100, names[i]);
        }
    }

    /// @dev 10,000 draws of three among 20: chi-square with 19 degrees of freedom, one in a thousand is above 43.8.
    function test_scale_theDrawIsUniform() public {
        uint256 seats = 22; // Both parties have one.
        seatStrangers(seats);
        vm.warp(START + 2);
        Terms memory agreed = terms();
        uint256[] memory first = new uint256[](seats);
        uint256[] memory any = new uint256[](seats);
        for (uint256 i; i < 10_000; ++i) {
            address[] memory committee = idml.committeeOf(agreed, keccak256(abi.encode("draw", i)));
            for (uint256 j; j < 3; ++j) {
                uint256 place = placeIn(committee[j]);
                ++any[place];
                if (j == 0) ++first[place];
            }
        }
        assertEq(first[0] + first[1], 0, "a party was drawn");
        assertLe(chiSquare(first, 500), 43_800, "first member");
        // Of three distinct members each is in with 3/20: the variance is smaller by 17/19.
        assertLe(chiSquare(any, 1500) * 19 / 17, 43_800, "any member");
    }

    /// @dev What either party's secret alone says about its judges: nothing, the other's secret turns it over.
    function test_scale_theLearnerDoesNotChooseItsJudges() public {
        judgesAreUniform(true);
    }

    function test_scale_theNeighborDoesNotChooseItsJudges() public {
        judgesAreUniform(false);
    }

    /* HELPERS */

    function judgesAreUniform(bool byLearner) private {
        seatStrangers(22);
        vm.warp(START + 2);
        Terms memory agreed = terms();
        uint256[] memory first = new uint256[](22);
        for (uint256 i; i < 10_000; ++i) {
            bytes32 other = keccak256(abi.encode("secret", i));
            bytes32 seed = byLearner
                ? keccak256(abi.encode(LEARNER_SECRET, other))
                : keccak256(abi.encode(other, NEIGHBOR_SECRET));
            ++first[placeIn(idml.committeeOf(agreed, seed)[0])];
        }
        assertLe(chiSquare(first, 500), 43_800, "first member");
    }

    /// @dev Joining, leaving, returning; opening, drawing; settling alone and in a batch.
    function costs() private returns (uint256[7] memory gas) {
        vm.warp(START + 2);
        address joiner = newActor("joiner");
        giveBalance(joiner, 2 * STAKE);
        gas[0] = spend(joiner, abi.encodeCall(idml.stake, (STAKE)));
        gas[1] = spend(joiner, abi.encodeCall(idml.requestUnstake, (STAKE)));
        vm.warp(START + 3 + DELAY);
        gas[2] = spend(joiner, abi.encodeCall(idml.stake, (STAKE)));

        vm.warp(START + 4 + DELAY);
        Encounter memory e = agreedOn(terms());
        bytes memory signature = sign(neighbor, e.id);
        gas[3] = spend(learner, abi.encodeCall(idml.open, (e.terms, 0, NO_SIGNATURE, signature)));
        begin(e, Phase.Open);
        signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        bytes memory both = abi.encodeCall(
            idml.reportBoth, (e.progress, RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, signature, NO_SIGNATURE)
        );
        gas[4] = spend(learner, both);

        setBudget(learner, REWARD, 8);
        Deal memory d = makeDeal(7);
        gas[5] = spend(neighbor, abi.encodeCall(idml.settle, (taskId, learner, neighbor, pack(d), signAll(d))));
        d = makeDeal(7);
        address[] memory parties = partiesOf(list(d));
        bytes memory batch =
            abi.encodeCall(idml.settleBatch, (taskId, parties, pack(list(d), parties), signAll(d), noWallets));
        gas[6] = spend(neighbor, batch);
    }

    /// @dev With every slot cold, as in a transaction of its own.
    function spend(address who, bytes memory call) private returns (uint256) {
        vm.cool(address(idml));
        vm.prank(who);
        (bool ok,) = address(idml).call(call);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        assertTrue(ok, "failed");
        return gas;
    }

    /// @dev Fills the table up with members that were seated at START.
    function seatStrangers(uint256 length) private {
        for (uint256 i = idml.seatCount(); i < length; ++i) {
            address who = stranger(i);
            keys[who] = i + 1;
            uint256 seat = uint256(type(uint32).max) << 224 | START << 192 | START << 160 | uint160(who);
            vm.store(address(idml), bytes32(SEATS + i), bytes32(seat));
            uint256 slot = uint256(keccak256(abi.encode(who, PARTICIPANTS)));
            vm.store(address(idml), bytes32(slot + 1), bytes32(STAKE)); // Pledge.
            vm.store(address(idml), bytes32(slot + 2), bytes32(i + 1 << 224)); // Record: its seat.
            vm.store(address(idml), bytes32(slot + 3), bytes32(STAKE << 96)); // Plan: its level.
        }
        vm.store(address(idml), bytes32(TABLE), bytes32(START << 96 | length)); // Nobody has left.
    }

    function stranger(uint256 place) private pure returns (address) {
        return vm.addr(place + 1);
    }

    function placeIn(address member) private view returns (uint256) {
        return keys[member] <= 1000 ? keys[member] - 1 : idml.account(member).seat - 1;
    }

    /// @dev In thousandths, over all seats but those of the parties.
    function chiSquare(uint256[] memory counts, uint256 expected) private pure returns (uint256 sum) {
        for (uint256 i = 2; i < counts.length; ++i) {
            uint256 off = counts[i] > expected ? counts[i] - expected : expected - counts[i];
            sum += off * off * 1000 / expected;
        }
    }
}
