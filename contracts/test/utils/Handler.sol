// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./DealTest.sol";
import {Account, Encounter, History, IIDML, IRecords, Phase, Release, TaskParams, Terms, Vote} from "./IDMLTest.sol";

/// @notice What participants may do, at random. Every action is possible when it is made, so none may revert; and each
/// checks that it moved nobody's money but that of those whom it concerns.
contract Handler is DealTest {
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
    uint256 public contests;
    uint256 public draws;
    uint256 public signed;
    uint256 public batched;
    uint256 public coSigned;
    uint256 public equivocations;
    uint256 public doubleVotes;
    uint256 public released;

    bytes32[] private tasks;
    bytes32[] private money;
    History[] private records;
    mapping(bytes32 => bool) private punished;

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
        uint256 spare = spareOf(actor);
        if (spare == 0) return;
        amount = bound(amount, 1, mostly(spare, amount));
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
        uint256 spare = spareOf(actor);
        if (spare == 0) return;
        amount = bound(amount, 1, spare);
        remember();
        vm.prank(actor);
        idml.stake(amount);
        onlyMoved(actor);
    }

    function requestUnstake(uint256 who, uint256 amount) external {
        address actor = pick(who);
        uint256 free = leavable(actor);
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
        onlyMoved(pick(who)); // Earnings that a lock reaches into may become stake.
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
        if (a == b || rawStake(b) < THRESHOLD || ongoing.length == MOST_ONGOING) return;
        Terms memory agreed = terms();
        agreed.task = tasks[random % tasks.length];
        (agreed.learner, agreed.neighbor) = (a, b);
        Account memory account = idml.account(a);
        uint256 ahead = random % 3;
        if (account.nonceWindow >> ahead & 1 == 1) ahead = 0;
        if (account.nonceWindow >> ahead & 1 == 1) return; // The window waits for cover.
        agreed.nonce = uint64(account.nonceBase + ahead);
        uint256 most = payableBy(a, ahead);
        if (freeOf(b) < most) most = freeOf(b);
        agreed.reward = uint96(bound(reward, 0, most < 60e18 ? most : 60e18));
        uint256 pledged = rawStake(b);

        remember();
        Encounter memory e = opened(agreed);
        onlyMoved(a, b);

        assertEq(balanceOf(a), account.balance - agreed.reward, "paid");
        assertEq(rawStake(b), pledged, "pledged");
        ongoing.push(abi.encode(e));
    }

    function reject(uint256 which) external {
        if (ongoing.length == 0) return;
        Encounter memory e = get(which);
        if (e.phase != Phase.Open || isDue(e)) return;
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
            Phase phase = e.phase;
            finalize(e);
            e.phase = phase;
            onlyMoved(everyoneIn(e));
            over(which, e);
        } else {
            try idml.finalize(e.progress) {
                revert NotTrue("too early");
            } catch (bytes memory reason) {
                if (bytes4(reason) != IRecords.TooEarly.selector) revert NotTrue("only time keeps it open");
            }
            onlyMoved();
        }
    }

    function warp(uint256 time) external {
        remember();
        vm.warp(block.timestamp + (time % 16 == 0 ? bound(time >> 4, 0, DELAY) : bound(time >> 4, 0, COMPLETION)));
        nextBlocks(time % 8 == 0 ? bound(time >> 4, 0, 300) : 1);
        onlyMoved();
    }

    /* BUDGETS */

    function setBudget(uint256 who, uint256 rewardMax, uint8 nonces) external {
        address actor = pick(who);
        Account memory a = idml.account(actor);
        rewardMax = bound(rewardMax, a.budgetReward, a.budgetReward > 20e18 ? a.budgetReward : 20e18);
        nonces = uint8(bound(nonces, a.budgetNonces, a.budgetNonces > 6 ? a.budgetNonces : 6));
        uint256 unused;
        for (uint256 i; i < nonces; ++i) {
            if (a.nonceWindow >> i & 1 == 0) ++unused;
        }
        if (unused * roundUp(rewardMax) > balanceOf(actor)) return;
        remember();
        setBudget(actor, rewardMax, nonces);
        onlyMoved();
    }

    function requestRelease(uint256 who, uint96 rewardMax, uint8 nonces, uint64 retired) external {
        remember();
        vm.prank(pick(who));
        idml.requestRelease(uint96(bound(rewardMax, 0, 20e18)), uint8(bound(nonces, 0, 6)), retired & 0x1f);
        onlyMoved();
    }

    function completeRelease(uint256 who) external {
        address actor = pick(who);
        Release memory r = idml.pendingRelease(actor);
        if (r.releaseAt == 0 || block.timestamp < r.releaseAt) return;
        remember();
        vm.prank(actor);
        idml.completeRelease();
        ++released;
        onlyMoved();
    }

    /* FROM SIGNATURES */

    /// @dev Up to four encounters of one task in a batch, alone if there is only one; what fails is skipped.
    function settleDeals(uint256 random, uint256 count) external {
        Deal[] memory all = new Deal[](1 + count % 4);
        bytes32 task = tasks[2 * (random % 2)]; // Those with committees.
        uint256 made;
        for (uint256 i; i < all.length; ++i) {
            (bool found, Deal memory d) = dealAtRandom(task, uint256(keccak256(abi.encode(random, i))));
            if (!found) continue;
            bool twice;
            for (uint256 j; j < made; ++j) {
                twice = twice || (all[j].terms.learner == d.terms.learner && all[j].terms.nonce == d.terms.nonce);
            }
            if (!twice) all[made++] = d;
        }
        if (made == 0) return;
        Deal[] memory deals = new Deal[](made);
        for (uint256 i; i < made; ++i) {
            deals[i] = all[i];
        }
        remember();
        if (bring(deals, random >> 250)) onlyMoved(partiesAndNobody(deals));
        else onlyMoved();
    }

    function dealAtRandom(bytes32 task, uint256 random) private view returns (bool found, Deal memory d) {
        Terms memory agreed = terms();
        (agreed.task, agreed.learner, agreed.neighbor) = (task, pick(random), pick(random >> 16));
        Account memory a = idml.account(agreed.learner);
        if (agreed.learner == agreed.neighbor || a.budgetNonces == 0) return (false, d);
        uint256 place = (random >> 32) % a.budgetNonces;
        if (a.nonceWindow >> place & 1 == 1) return (false, d);
        agreed.nonce = uint64(a.nonceBase + place);
        agreed.reward = uint96(bound(random >> 48, 0, a.budgetReward));
        d = makeDeal(agreed, random >> 240 & 7, bytes32(random << 128), bytes32(~random << 128));
        d.ballots &= (1 << idml.task(task).votes) - 1;
        return (d.committee.length == idml.task(task).votes, d);
    }

    /// @dev Counts those whose nonce was used.
    function bring(Deal[] memory deals, uint256 way) private returns (bool any) {
        bool alone = deals.length == 1 && way % 2 == 0;
        (bool ok, bytes memory reason) = (true, bytes(""));
        if (alone) (ok, reason) = address(this).call(abi.encodeCall(this.bringAlone, (deals[0])));
        else if (way % 4 < 2) (ok, reason) = address(this).call(abi.encodeCall(this.bringBatch, (deals)));
        else (ok, reason) = address(this).call(abi.encodeCall(this.bringCosigned, (deals)));
        if (!ok) {
            if (bytes4(reason) != IRecords.NothingSettled.selector) {
                revert NotTrue("only a fault keeps it from settling");
            }
            return false;
        }
        for (uint256 i; i < deals.length; ++i) {
            if (!isUsed(deals[i].terms.learner, deals[i].terms.nonce)) continue;
            uint256 yes;
            for (uint256 j; j < deals[i].committee.length; ++j) {
                yes += deals[i].ballots >> j & 1;
            }
            countCase(idml.task(deals[i].terms.task), deals[i].committee.length, yes);
            if (alone) ++signed;
            else if (way % 4 < 2) ++batched;
            else ++coSigned;
        }
        return true;
    }

    function bringAlone(Deal memory d) external {
        settle(d);
    }

    function bringBatch(Deal[] memory deals) external {
        settleBatch(deals);
    }

    function bringCosigned(Deal[] memory deals) external {
        settleCosigned(deals);
    }

    function isUsed(address who, uint256 nonce) private view returns (bool) {
        Account memory a = idml.account(who);
        return nonce < a.nonceBase || a.nonceWindow >> (nonce - a.nonceBase) & 1 == 1;
    }

    /* OFFENCES */

    function equivocate(uint256 who, uint256 ahead) external {
        address actor = pick(who);
        (Terms memory a, Terms memory b) = (terms(), terms());
        (a.learner, b.learner, b.reward) = (actor, actor, 1);
        a.nonce = b.nonce = uint64(idml.account(actor).nonceBase + ahead % 8);
        bytes32 offence = keccak256(abi.encode(actor, a.nonce));
        if (punished[offence]) return;
        punished[offence] = true;
        (bytes memory onA, bytes memory onB) = (sign(actor, idml.hashTerms(a)), sign(actor, idml.hashTerms(b)));
        remember();
        idml.proveEquivocation(a, onA, b, onB);
        ++equivocations;
        onlyMoved(actor, address(0));
    }

    function doubleVote(uint256 who, uint256 reward, bytes32 seed) external {
        address actor = pick(who);
        Terms memory agreed = terms();
        agreed.reward = uint96(bound(reward, 0, 20e18));
        bytes32 id = idml.hashTerms(agreed);
        if (punished[keccak256(abi.encode(actor, id, seed))]) return;
        punished[keccak256(abi.encode(actor, id, seed))] = true;
        Vote memory a = Vote(id, actor, seed, RESULT, true);
        Vote memory b = Vote(id, actor, seed, RESULT, false);
        (bytes memory onA, bytes memory onB) = (sign(actor, idml.hashVote(a)), sign(actor, idml.hashVote(b)));
        remember();
        idml.proveDoubleVote(agreed, a, onA, b, onB);
        ++doubleVotes;
        onlyMoved(actor, address(0));
    }

    /* THE END: when nobody acts any more, everything can be ended and every token can leave */

    function windDown() external {
        vm.warp(block.timestamp + DELAY);
        nextBlocks(300);
        while (ongoing.length > 0) {
            this.finalize(0);
        }
        for (uint256 i; i < actors.length; ++i) {
            assertEq(lockedOf(actors[i]), 0, "locked");
            if (stakeOf(actors[i]) > 0) unstake(actors[i], stakeOf(actors[i]));
            vm.prank(actors[i]);
            idml.requestRelease(0, 0, 0);
        }
        vm.warp(block.timestamp + DELAY);
        for (uint256 i; i < actors.length; ++i) {
            this.completeUnstake(i);
            this.completeRelease(i);
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

    /// @dev What open encounters lock of each actor's stake, by the rules and not by the contract.
    function expectedLocks() external view returns (uint256[] memory locks) {
        locks = new uint256[](actors.length);
        for (uint256 i; i < ongoing.length; ++i) {
            Encounter memory e = get(i);
            address[] memory voters = votersOf(e);
            for (uint256 j; j < actors.length; ++j) {
                if (actors[j] == e.terms.neighbor) locks[j] += e.terms.reward;
                if (isIn(voters, actors[j])) locks[j] += voterLock(e.terms);
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
        Phase phase = e.phase;
        remember();
        bool answered = phase == Phase.Reported || phase == Phase.Disputed;
        if (answered && isInTime(e) && random >> 16 & 3 == 0) {
            reportBoth(e);
        } else if (mayContest(e)) {
            if (random % 4 == 0) return false;
            contest(e);
            ++contests;
        } else if (phase == Phase.Contested) {
            uint256 passed = block.number - e.contestBlock;
            if (passed < 3) nextBlocks(3 - passed);
            if (passed > 2 + 256) return false;
            draw(e);
            ++draws;
        } else if (phase == Phase.Disputed || !isInTime(e)) {
            return false;
        } else if (phase == Phase.Validating) {
            return voteAtRandom(which, e, random);
        } else {
            bytes32 result = random % 4 == 0 ? OTHER_RESULT : RESULT;
            if (phase == Phase.Reported) reportAsLearner(e, result);
            else if (random >> 8 & 1 == 0) reportAsNeighbor(e, result);
            else reportBoth(e);
        }
        if (e.phase == Phase.None) {
            ++incompletes;
            onlyMoved(e.terms.learner, e.terms.neighbor);
            drop(which);
            return false;
        }
        onlyMoved();
        put(which, e);
        return true;
    }

    function voteAtRandom(uint256 which, Encounter memory e, uint256 random) private returns (bool) {
        address voter = findVoter(e, random);
        if (voter == address(0)) return false;
        uint256 pledged = rawStake(voter);
        vote(e, voter, random >> 128 & 3 != 0);
        if (e.phase == Phase.None) {
            e.phase = Phase.Validating;
            onlyMoved(everyoneIn(e));
            over(which, e);
            return false;
        }
        onlyMoved(voter);
        assertEq(rawStake(voter), pledged, "pledged");
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
            if (anyone && rawStake(who) < THRESHOLD) continue;
            if (!isIn(votersOf(e), who)) return who;
        }
        return address(0);
    }

    function mayContest(Encounter memory e) private view returns (bool) {
        if (idml.task(e.terms.task).committeeSize == 0) return false;
        uint256 from = uint256(e.since) + COMPLETION;
        if (e.phase == Phase.Disputed) return block.timestamp <= from;
        return e.phase == Phase.Reported && from < block.timestamp && block.timestamp <= from + COMPLETION;
    }

    function isInTime(Encounter memory e) private view returns (bool) {
        return block.timestamp <= e.since + (e.phase == Phase.Validating ? VOTING : COMPLETION);
    }

    function isDue(Encounter memory e) private view returns (bool) {
        Phase phase = e.phase;
        uint256 appeal = idml.task(e.terms.task).committeeSize == 0 ? 0 : COMPLETION;
        uint256 since = e.since;
        if (phase == Phase.Contested) return block.number > uint256(e.contestBlock) + 2 + 256;
        if (phase == Phase.Validating) return block.timestamp > since + VOTING;
        if (phase == Phase.Reported) return block.timestamp > since + COMPLETION + appeal;
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

    function drop(uint256 which) private {
        ongoing[which % ongoing.length] = ongoing[ongoing.length - 1];
        ongoing.pop();
    }

    /// @dev Counts how the encounter must have ended.
    function over(uint256 which, Encounter memory e) private {
        drop(which);
        TaskParams memory p = idml.task(e.terms.task);
        uint256 n = votersOf(e).length;
        if (e.phase == Phase.Refused) {
            ++rejections;
        } else if (e.phase != Phase.Validating || (e.contestBlock > 0 && n < p.quorum)) {
            ++incompletes;
        } else {
            uint256 yes;
            for (uint256 i; i < e.progress.committee.length; ++i) {
                yes += e.accepts >> i & 1;
            }
            countCase(p, n, yes);
        }
    }

    function countCase(TaskParams memory p, uint256 n, uint256 yes) private {
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

    /// @dev The pledge as it is stored, earnings included: stake and locked.
    function rawPledge(address who) public view returns (uint256 pledged, uint256 locked) {
        uint256 word = uint256(vm.load(address(idml), bytes32(uint256(keccak256(abi.encode(who, 3))) + 1)));
        return (uint96(word), uint96(word >> 96));
    }

    /// @dev The seat that it has held for long, as batches found out: its number or 0.
    function tenureOf(address who) external view returns (uint256) {
        return uint32(uint256(vm.load(address(idml), bytes32(uint256(keccak256(abi.encode(who, 3))) + 1))) >> 192);
    }

    function rawStake(address who) private view returns (uint256 pledged) {
        (pledged,) = rawPledge(who);
    }

    /// @dev The balance as it is stored, unclaimed earnings left out.
    function rawBalance(address who) public view returns (uint256) {
        return uint96(uint256(vm.load(address(idml), keccak256(abi.encode(who, 3)))));
    }

    function freeOf(address who) private view returns (uint256) {
        (uint256 pledged, uint256 locked) = rawPledge(who);
        return pledged - locked;
    }

    /// @dev The stake as it was last set, less penalties, filled up to the target: earnings left out.
    function pledgedBy(address who) external view returns (uint256) {
        uint256 slot = uint256(keccak256(abi.encode(who, 3))) + 3;
        uint256 level = uint96(uint256(vm.load(address(idml), bytes32(slot))) >> 96);
        return rawStake(who) < level ? rawStake(who) : level;
    }

    /// @dev What may be requested once earnings are claimed.
    function leavable(address who) private view returns (uint256) {
        return stakeOf(who) > lockedOf(who) ? stakeOf(who) - lockedOf(who) : 0;
    }

    function coverOf(address who) public view returns (uint256 cover) {
        Account memory a = idml.account(who);
        for (uint256 i; i < a.budgetNonces; ++i) {
            if (a.nonceWindow >> i & 1 == 0) cover += a.budgetReward;
        }
    }

    /// @dev What an encounter with a nonce that is unused may surely cost: all that there is without a budget; with one,
    /// what is beyond a whole window of it, or for a covered nonce its cover.
    function payableBy(address who, uint256 place) private view returns (uint256) {
        Account memory a = idml.account(who);
        if (a.budgetNonces == 0) return balanceOf(who);
        uint256 whole = uint256(a.budgetNonces) * a.budgetReward;
        uint256 beyond = rawBalance(who) > whole ? rawBalance(who) - whole : 0;
        if (place < a.budgetNonces && a.budgetReward > beyond) return a.budgetReward;
        return beyond;
    }

    /// @dev What the budget does not need.
    function spareOf(address who) private view returns (uint256) {
        return balanceOf(who) - coverOf(who);
    }

    /// @dev Written over, not made anew: that would cost most of a campaign.
    function remember() private {
        while (money.length <= actors.length) {
            money.push();
            records.push();
        }
        for (uint256 i; i < actors.length; ++i) {
            (money[i], records[i]) = (moneyOf(actors[i]), idml.history(actors[i]));
        }
        money[actors.length] = moneyOf(address(0));
    }

    function moneyOf(address who) private view returns (bytes32) {
        Account memory a = idml.account(who);
        return keccak256(abi.encode(token.balanceOf(who), a.balance, a.stake, a.locked, a.unbonding));
    }

    function onlyMoved(address[] memory moved) private view {
        for (uint256 i; i < money.length; ++i) {
            address who = i < actors.length ? actors[i] : address(0);
            assertTrue(isIn(moved, who) || moneyOf(who) == money[i], "someone else's money moved");
            if (i < actors.length) expectGrown(records[i], idml.history(who));
        }
    }

    function expectGrown(History memory was, History memory now_) private pure {
        assertLe(was.completedAsLearner, now_.completedAsLearner, "completed as learner");
        assertLe(was.incompleteAsLearner, now_.incompleteAsLearner, "incomplete as learner");
        assertLe(was.completedAsNeighbor, now_.completedAsNeighbor, "completed as neighbor");
        assertLe(was.incompleteAsNeighbor, now_.incompleteAsNeighbor, "incomplete as neighbor");
        assertLe(was.accepted, now_.accepted, "accepted");
        assertLe(was.rejected, now_.rejected, "rejected");
        assertLe(was.votesWith, now_.votesWith, "votes with");
        assertLe(was.votesAgainst, now_.votesAgainst, "votes against");
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
        address[] memory voters = votersOf(e);
        uint256 n = voters.length;
        all = new address[](n + 3);
        for (uint256 i; i < n; ++i) {
            all[i] = voters[i];
        }
        (all[n], all[n + 1], all[n + 2]) = (e.terms.learner, e.terms.neighbor, address(0));
    }

    function partiesAndNobody(Deal[] memory deals) private pure returns (address[] memory all) {
        address[] memory parties = partiesOf(deals);
        all = new address[](parties.length + 1);
        for (uint256 i; i < parties.length; ++i) {
            all[i] = parties[i];
        }
    }
}
