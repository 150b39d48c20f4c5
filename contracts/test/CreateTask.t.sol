// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IDMLTest, IRecords, TaskParams} from "./utils/IDMLTest.sol";

contract CreateTaskTest is IDMLTest {
    uint32 private constant LONGEST = 6 days - 1 hours; // 5 completion windows and the voting window.

    function test_createTask() public {
        TaskParams memory p = params();
        p.metric = 1;
        bytes32 id = keccak256(abi.encode(p));
        assertEq(idml.task(id).votes, 0, "unknown");
        vm.expectEmit(address(idml));
        emit IRecords.TaskCreated(id, p);
        assertEq(idml.createTask(p), id, "id");
        assertEq(keccak256(abi.encode(idml.task(id))), id, "params");
    }

    function test_createTask_twiceChangesNothing() public {
        assertEq(idml.createTask(params()), taskId, "id");
    }

    function test_createTask_atTheLimits() public {
        TaskParams memory p = params();
        (p.neighborShareBps, p.goodFaithBps, p.noVoteBps, p.rejectPotBps, p.toleranceBps) =
        (10_000, 10_000, 10_000, 10_000, 10_000);
        (p.votes, p.committeeSize, p.quorum) = (16, 16, 16);
        (p.completionWindow_s, p.votingWindow_s) = (3600, LONGEST - 5 * 3600);
        idml.createTask(p);
        (p.neighborShareBps, p.goodFaithBps, p.noVoteBps, p.rejectPotBps, p.toleranceBps) = (0, 0, 0, 0, 0);
        (p.votes, p.committeeSize, p.quorum) = (1, 0, 1);
        (p.completionWindow_s, p.votingWindow_s) = (1, 1);
        idml.createTask(p);
    }

    function test_createTask_revertsForShares() public {
        TaskParams memory p = params();
        p.neighborShareBps = 10_001;
        check(p, "neighborShareBps", 10_001);
        p = params();
        p.goodFaithBps = 10_001;
        check(p, "goodFaithBps", 10_001);
        p = params();
        p.noVoteBps = 10_001;
        check(p, "noVoteBps", 10_001);
        p = params();
        p.rejectPotBps = 10_001;
        check(p, "rejectPotBps", 10_001);
        p = params();
        p.toleranceBps = 10_001;
        check(p, "toleranceBps", 10_001);
    }

    function test_createTask_revertsForVotes() public {
        TaskParams memory p = params();
        p.votes = 0;
        check(p, "votes", 0);
        (p.votes, p.committeeSize) = (17, 17);
        check(p, "votes", 17);
        (p.votes, p.committeeSize) = (3, 2);
        check(p, "committeeSize", 2);
        p.committeeSize = 17;
        check(p, "committeeSize", 17);
        (p.committeeSize, p.quorum) = (3, 0);
        check(p, "quorum", 0);
        p.quorum = 4;
        check(p, "quorum", 4);
    }

    function test_createTask_revertsForWindows() public {
        TaskParams memory p = params();
        p.completionWindow_s = 0;
        check(p, "completionWindow_s", 0);
        p = params();
        p.votingWindow_s = 0;
        check(p, "votingWindow_s", 0);
        (p.completionWindow_s, p.votingWindow_s) = (3600, LONGEST - 5 * 3600 + 1);
        check(p, "life_s", 6 days + 1);
        (p.completionWindow_s, p.votingWindow_s) = (type(uint32).max, type(uint32).max);
        check(p, "life_s", 6 * uint256(type(uint32).max) + 1 hours);
    }

    function check(TaskParams memory p, string memory name, uint256 value) private {
        vm.expectRevert(abi.encodeWithSelector(IRecords.InvalidTask.selector, name, value));
        idml.createTask(p);
    }
}
