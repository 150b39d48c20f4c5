// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, Encounter, IDMLTest, IIDML, Phase, Progress, TaskParams, Terms} from "./IDMLTest.sol";

/// @notice What participants may do, at random. Every action is possible when it is made, so none may revert; and each
/// checks that it moved nobody's money but that of those whom it concerns.
contract Handler is IDMLTest {
    uint256 private constant MOST_ONGOING = 8;

    address[] public actors;
    /// @dev Encoded encounters that are not over.
    bytes[] public ongoing;
    uint256 public bought;
    uint256 public redeemed;
    uint256 public burnt;
    uint256 public rejections;
    uint256 public incompletes;
    uint256[6] public cases;

    bytes32[] private tasks;
    bytes32[] private money;

    function setUp() public override {
        super.setUp();
        actors = validators;
        actors.push(learner);
        actors.push(neighbor);
        for (uint256 i; i < 3; ++i) {
            actors.push(newStaked(string.concat("actor", string(abi.encodePacked(uint8(48 + i))))));
        }
        for (uint256 i; i < actors.length; ++i) {
            if (i % 2 == 0) setTarget(actors[i], STAKE);
        }
        bought = token.totalSupply();
        tasks.push(taskId);
        tasks.push(openTask());
        TaskParams memory p = params();
        (p.rejectPotBps, p.quorum, p.tieAccepts, p.votes, p.committeeSize) = (10_000, 1, false, 2, 4);
        tasks.push(idml.createTask(p));
    }

    /* MONEY */

    function deposit(uint256 who, uint256 amount) external {
        address actor = pick(who);
        amount = bound(amount, 1, 500e18);
        remember();
        uint256 supply = token.totalSupply();
        giveTokens(actor, amount);
        bought += token.totalSupply() - supply;
        vm.prank(actor);
        idml.deposit(amount);
        onlyMoved(actor);
    }

    function withdraw(uint256 who, uint256 amount) external {
        address actor = pick(who);
        if (balanceOf(actor) == 0) return;
        amount = bound(amount, 1, mostly(balanceOf(actor), amount));
        remember();
        vm.prank(actor);
        idml.withdraw(amount);
        onlyMoved(actor);
    }

    function redeem(uint256 who, uint256 amount) external {
        address actor = pick(who);
        if (token.balanceOf(actor) == 0) return;
        amount = bound(amount, 1, token.balanceOf(actor));
        remember();
        vm.prank(actor);
        token.redeem(amount);
        redeemed += amount;
        onlyMoved(actor);
    }

    function stake(uint256 who, uint256 amount) external {
        address actor = pick(who);
        if (balanceOf(actor) == 0) return;
        amount = bound(amount, 1, balanceOf(actor));
        remember();
        vm.prank(actor);
        idml.stake(amount);
        onlyMoved(actor);
    }

    function requestUnstake(uint256 who, uint256 amount) external {
        address actor = pick(who);
        uint256 free = freeOf(actor);
        if (free == 0) return;
        remember();
        unstake(actor, bound(amount, 1, mostly(free, amount)));
        onlyMoved(actor);
    }

    function completeUnstake(uint256 who) external {
        address actor = pick(who);
        Account memory a = idml.account(actor);
        if (a.unbonding == 0 || block.timestamp < a.releaseAt) return;
        remember();
        vm.prank(actor);
        idml.completeUnstake();
        onlyMoved(actor);
    }

    function setTarget(uint256 who, uint256 target) external {
        remember();
        setTarget(pick(who), bound(target, 0, 2 * STAKE));
        onlyMoved();
    }

    function takeSeat(uint256 who) external {
        address actor = pick(who);
        Account memory a = idml.account(actor);
        if (a.seat != 0 || block.timestamp < a.seatFrom || a.stake < THRESHOLD) return;
        remember();
        vm.prank(actor);
        idml.takeSeat();
        onlyMoved();
    }

    function flush() external {
        uint256 amount = balanceOf(address(0));
        if (amount == 0) return;
        remember();
        idml.flush();
        burnt += amount;
        onlyMoved(address(0));
    }

    /* ENCOUNTERS */

    function open(uint256 payer, uint256 worker, uint256 reward, uint256 random) external {
        (address a, address b) = (pick(payer), pick(worker));
        if (a == b || stakeOf(b) < THRESHOLD || ongoing.length == MOST_ONGOING) return;
        uint256 most = balanceOf(a) < freeOf(b) ? balanceOf(a) : freeOf(b);
        Terms memory agreed = terms();
        agreed.task = tasks[random % tasks.length];
        (agreed.learner, agreed.neighbor) = (a, b);
        agreed.reward = uint96(bound(reward, 0, most < 60e18 ? most : 60e18));
        Account memory account = idml.account(a);
        uint256 ahead = random % 3;
        if (account.nonceWindow >> ahead & 1 == 1) ahead = 0;
        agreed.nonce = uint64(account.nonceBase + ahead);
        uint256 stakeBefore = stakeOf(b);

        remember();
        Encounter memory e = opened(agreed);
        onlyMoved(a, b);

        assertEq(balanceOf(a), account.balance - agreed.reward, "paid");
        assertEq(stakeOf(b), stakeBefore, "pledged");
        ongoing.push(abi.encode(e));
    }

    function reject(uint256 which) external {
        if (ongoing.length == 0) return;
        Encounter memory e = get(which);
        if (e.progress.phase != Phase.Open || isDue(e)) return;
        remember();
        refuse(e);
        onlyMoved();
        put(which, e);
    }

    /// @dev Up to six steps of one encounter, as long as its parties and validators can act in time.
    function proceed(uint256 which, uint256 random) external {
        if (ongoing.length == 0) return;
        uint256 steps = 1 + random % 6;
        for (uint256 i; i < steps; ++i) {
            Encounter memory e = get(which);
            if (!act(which, e, uint256(keccak256(abi.encode(random, i))))) return;
        }
    }

    /// @dev Ends an encounter if it is due; else this must fail.
    function finalize(uint256 which) external {
        if (ongoing.length == 0) return;
        Encounter memory e = get(which);
        remember();
        if (isDue(e)) {
            finalize(e);
            onlyMoved(everyoneIn(e));
            over(which, e);
        } else {
            try idml.finalize(e.terms, e.progress) {
                revert NotTrue("too early");
            } catch (bytes memory reason) {
                if (bytes4(reason) != IIDML.TooEarly.selector) revert NotTrue("only time keeps it open");
            }
            onlyMoved();
        }
    }

    function warp(uint256 time) external {
        remember();
        vm.warp(block.timestamp + (time % 16 == 0 ? bound(time >> 4, 0, DELAY) : bound(time >> 4, 0, COMPLETION)));
        onlyMoved();
    }

    /* THE END: when nobody acts any more, everything can be ended and every token can leave */

    function windDown() external {
        vm.warp(block.timestamp + DELAY);
        while (ongoing.length > 0) {
            this.finalize(0);
        }
        for (uint256 i; i < actors.length; ++i) {
            assertEq(lockedOf(actors[i]), 0, "locked");
            if (stakeOf(actors[i]) > 0) unstake(actors[i], stakeOf(actors[i]));
        }
        vm.warp(block.timestamp + DELAY);
        for (uint256 i; i < actors.length; ++i) {
            this.completeUnstake(i);
            uint256 balance = balanceOf(actors[i]);
            if (balance == 0) continue;
            vm.prank(actors[i]);
            idml.withdraw(balance);
        }
        this.flush();
        assertEq(token.balanceOf(address(idml)), 0, "left behind");
    }

    /* WHAT SHOULD BE THE CASE */

    function contracts() external view returns (IIDML, address token_) {
        return (idml, address(token));
    }

    function countActors() external view returns (uint256) {
        return actors.length;
    }

    function countOngoing() external view returns (uint256) {
        return ongoing.length;
    }

    /// @dev What open encounters lock of an actor's stake, by the rules and not by the contract.
    function expectedLock(address who) external view returns (uint256 sum) {
        for (uint256 i; i < ongoing.length; ++i) {
            Encounter memory e = get(i);
            if (who == e.terms.neighbor) sum += e.terms.reward;
            for (uint256 j; j < e.progress.voters.length; ++j) {
                if (e.progress.voters[j] == who) sum += voterLock(e.terms);
            }
        }
    }

    function prepayments() external view returns (uint256 sum) {
        for (uint256 i; i < ongoing.length; ++i) {
            sum += get(i).terms.reward;
        }
    }

    /* INTERNAL: ENCOUNTERS */

    /// @dev Takes the next step; returns whether there may be another.
    function act(uint256 which, Encounter memory e, uint256 random) private returns (bool) {
        Phase phase = e.progress.phase;
        if (phase == Phase.Disputed || !isInTime(e)) return false;
        remember();
        if (phase == Phase.Validating) return voteAtRandom(which, e, random);
        bytes32 result = random % 8 == 0 ? OTHER_RESULT : RESULT;
        if (phase == Phase.Reported) reportAsLearner(e, result);
        else reportAsNeighbor(e, result);
        onlyMoved();
        put(which, e);
        return true;
    }

    function voteAtRandom(uint256 which, Encounter memory e, uint256 random) private returns (bool) {
        address voter = findVoter(e, random);
        if (voter == address(0)) return false;
        uint256 pledged = stakeOf(voter);
        vote(e, voter, random >> 128 & 3 != 0);
        if (idml.stateHash(e.id) == 0) {
            onlyMoved(everyoneIn(e));
            over(which, e);
            return false;
        }
        onlyMoved(voter);
        assertEq(stakeOf(voter), pledged, "pledged");
        put(which, e);
        return true;
    }

    /// @dev Someone who may vote, beginning anywhere.
    function findVoter(Encounter memory e, uint256 random) private view returns (address) {
        bool anyone = idml.task(e.terms.task).committeeSize == 0;
        address[] memory eligible = anyone ? actors : e.progress.committee;
        for (uint256 i; i < eligible.length; ++i) {
            address who = eligible[(random % eligible.length + i) % eligible.length];
            if (who == e.terms.learner || who == e.terms.neighbor || freeOf(who) < voterLock(e.terms)) continue;
            if (anyone && stakeOf(who) < THRESHOLD) continue;
            if (!isIn(e.progress.voters, who)) return who;
        }
        return address(0);
    }

    function isInTime(Encounter memory e) private view returns (bool) {
        return block.timestamp <= e.progress.since + (e.progress.phase == Phase.Validating ? VOTING : COMPLETION);
    }

    function isDue(Encounter memory e) private view returns (bool) {
        Phase phase = e.progress.phase;
        uint256 extra = idml.task(e.terms.task).committeeSize == 0 ? 0 : COMPLETION;
        uint256 since = e.progress.since;
        if (phase == Phase.Validating) return block.timestamp > since + VOTING;
        if (phase == Phase.Reported) return block.timestamp > since + COMPLETION + extra;
        if (phase == Phase.Disputed) return extra == 0 || block.timestamp > since + extra;
        return block.timestamp > since + COMPLETION;
    }

    function voterLock(Terms memory t) private view returns (uint256) {
        TaskParams memory p = idml.task(t.task);
        uint256 pot = t.reward - uint256(t.reward) * p.neighborShareBps / 10_000;
        uint256 rejectPot = uint256(t.reward) * p.rejectPotBps / 10_000;
        return (pot > rejectPot ? pot : rejectPot) / 2;
    }

    function get(uint256 which) private view returns (Encounter memory) {
        return abi.decode(ongoing[which % ongoing.length], (Encounter));
    }

    function put(uint256 which, Encounter memory e) private {
        ongoing[which % ongoing.length] = abi.encode(e);
    }

    /// @dev Counts how the encounter must have ended.
    function over(uint256 which, Encounter memory e) private {
        ongoing[which % ongoing.length] = ongoing[ongoing.length - 1];
        ongoing.pop();
        if (e.progress.phase != Phase.Validating) {
            if (e.progress.phase == Phase.Refused) ++rejections;
            else ++incompletes;
            return;
        }
        TaskParams memory p = idml.task(e.terms.task);
        uint256 n = e.progress.voters.length;
        uint256 yes;
        for (uint256 i; i < n; ++i) {
            yes += e.progress.ballots >> i & 1;
        }
        bool accepted = 2 * yes > n || (2 * yes == n && p.tieAccepts);
        ++cases[n < p.quorum ? 1 : yes == n ? 2 : yes == 0 ? 3 : accepted ? 4 : 5];
    }

    /* INTERNAL: WHO OWNS WHAT */

    function pick(uint256 random) private view returns (address) {
        return actors[random % actors.length];
    }

    /// @dev A quarter, now and then all: else everyone soon has nothing to play with.
    function mostly(uint256 all, uint256 random) private pure returns (uint256) {
        return random % 16 == 0 ? all : all / 4 + 1;
    }

    function freeOf(address who) private view returns (uint256) {
        return stakeOf(who) - lockedOf(who);
    }

    function remember() private {
        delete money;
        for (uint256 i; i < actors.length; ++i) {
            money.push(moneyOf(actors[i]));
        }
        money.push(moneyOf(address(0)));
    }

    function moneyOf(address who) private view returns (bytes32) {
        Account memory a = idml.account(who);
        return keccak256(abi.encode(token.balanceOf(who), a.balance, a.stake, a.locked, a.unbonding));
    }

    function onlyMoved(address[] memory moved) private view {
        for (uint256 i; i < money.length; ++i) {
            address who = i < actors.length ? actors[i] : address(0);
            assertTrue(isIn(moved, who) || moneyOf(who) == money[i], "someone else's money moved");
        }
    }

    function onlyMoved() private view {
        onlyMoved(new address[](0));
    }

    function onlyMoved(address who) private view {
        address[] memory moved = new address[](1);
        moved[0] = who;
        onlyMoved(moved);
    }

    function onlyMoved(address a, address b) private view {
        address[] memory moved = new address[](2);
        (moved[0], moved[1]) = (a, b);
        onlyMoved(moved);
    }

    function everyoneIn(Encounter memory e) private pure returns (address[] memory all) {
        uint256 n = e.progress.voters.length;
        all = new address[](n + 3);
        for (uint256 i; i < n; ++i) {
            all[i] = e.progress.voters[i];
        }
        (all[n], all[n + 1], all[n + 2]) = (e.terms.learner, e.terms.neighbor, address(0));
    }

    function isIn(address[] memory list, address who) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == who) return true;
        }
        return false;
    }
}
