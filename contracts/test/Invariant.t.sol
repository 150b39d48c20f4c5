// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Handler} from "./utils/Handler.sol";
import {Account, Encounter, History, IIDML, IToken, Seat} from "./utils/IDMLTest.sol";
import {Test} from "./utils/Test.sol";

contract InvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;
    IIDML private idml;
    IToken private token;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
        address token_;
        (idml, token_) = handler.contracts();
        token = IToken(token_);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory actions = new bytes4[](28);
        actions[0] = Handler.deposit.selector;
        actions[1] = Handler.withdraw.selector;
        actions[2] = Handler.redeem.selector;
        actions[3] = Handler.stake.selector;
        actions[4] = Handler.requestUnstake.selector;
        actions[5] = Handler.completeUnstake.selector;
        actions[6] = bytes4(keccak256("setTarget(uint256,uint256)"));
        actions[7] = Handler.takeSeat.selector;
        actions[8] = Handler.flush.selector;
        actions[9] = Handler.open.selector;
        actions[10] = Handler.reject.selector;
        actions[11] = Handler.proceed.selector;
        actions[12] = bytes4(keccak256("finalize(uint256)"));
        actions[13] = Handler.warp.selector;
        actions[14] = bytes4(keccak256("setBudget(uint256,uint256,uint8)"));
        actions[15] = Handler.requestRelease.selector;
        actions[16] = Handler.completeRelease.selector;
        actions[17] = Handler.settleDeals.selector;
        actions[18] = Handler.equivocate.selector;
        actions[19] = Handler.doubleVote.selector;
        // Named more than once: done more often.
        (actions[20], actions[21], actions[22], actions[23]) = (actions[9], actions[9], actions[11], actions[11]);
        (actions[24], actions[25], actions[26], actions[27]) = (actions[17], actions[17], actions[14], actions[11]);
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), actions);
    }

    /// @dev One function, so that one campaign serves all. That counters only grow, the handler checks at every action.
    function invariant_all() public view {
        accountsHoldAllTokens();
        tokensAreConserved();
        locksAreThoseOfOpenEncounters();
        budgetsAreCovered();
        statesAreThoseOfOpenEncounters();
        seatsBelongToTheStaked();
        theSeatTableIsConsistent();
        tenureIsThatOfASeat();
        historyCountsEveryEncounter();
    }

    /// @dev Every token is in an account or prepaid.
    function accountsHoldAllTokens() private view {
        uint256 sum = handler.prepayments() + idml.account(address(0)).balance;
        for (uint256 i; i < handler.countActors(); ++i) {
            Account memory a = idml.account(handler.actors(i));
            sum += uint256(a.balance) + a.stake + a.unbonding;
        }
        assertEq(sum, token.balanceOf(address(idml)), "accounts");
    }

    /// @dev Nothing is minted but what is bought, nothing is lost but what is redeemed or burnt.
    function tokensAreConserved() private view {
        uint256 supply = token.totalSupply();
        assertEq(supply, handler.bought() - handler.redeemed() - handler.burnt(), "supply");
        uint256 sum = token.balanceOf(address(idml));
        for (uint256 i; i < handler.countActors(); ++i) {
            sum += token.balanceOf(handler.actors(i));
        }
        assertEq(sum, supply, "wallets and accounts");
        assertLe(supply, address(token).balance * token.RATE(), "not redeemable");
    }

    function locksAreThoseOfOpenEncounters() private view {
        uint256[] memory expected = handler.expectedLocks();
        for (uint256 i; i < handler.countActors(); ++i) {
            address who = handler.actors(i);
            (uint256 pledged, uint256 locked) = handler.rawPledge(who);
            assertLe(locked, pledged, "locked beyond stake and earnings");
            assertEq(locked, expected[i], "locked");
            Account memory a = idml.account(who);
            assertEq(a.locked, locked, "locked as shown");
            assertLe(a.locked, a.stake, "locked beyond the stake as shown");
        }
    }

    /// @dev Without what was earned and not claimed, which locks may reach into.
    function budgetsAreCovered() private view {
        for (uint256 i; i < handler.countActors(); ++i) {
            address who = handler.actors(i);
            assertLe(handler.coverOf(who), handler.rawBalance(who), "not covered");
        }
    }

    function statesAreThoseOfOpenEncounters() private view {
        for (uint256 i; i < handler.countOngoing(); ++i) {
            Encounter memory e = abi.decode(handler.ongoing(i), (Encounter));
            assertEq(idml.stateHash(e.terms.learner, e.lane), keccak256(abi.encode(e.progress)), "state");
        }
    }

    /// @dev Only at the end of a run: it looks into a hundred lanes.
    function noOtherLaneIsBusy() private view {
        uint256 busy;
        for (uint256 i; i < handler.countActors(); ++i) {
            for (uint8 lane; lane < 10; ++lane) {
                if (uint256(idml.stateHash(handler.actors(i), lane)) > 1) ++busy;
            }
        }
        assertEq(busy, handler.countOngoing(), "busy lanes");
    }

    /// @dev Whoever sits on a seat knows it, and nobody else claims it.
    function theSeatTableIsConsistent() private view {
        uint256 taken;
        for (uint256 i; i < idml.seatCount(); ++i) {
            Seat memory s = idml.seat(i);
            assertLe(s.createdAt, s.activeFrom, "created");
            assertLe(s.activeFrom, block.timestamp, "active");
            if (s.inactiveFrom == type(uint32).max) {
                ++taken;
                assertEq(idml.account(s.member).seat, i + 1, "its member's seat");
            } else {
                assertLe(s.activeFrom, s.inactiveFrom, "left before it was taken");
                assertLe(s.inactiveFrom, block.timestamp, "inactive");
                assertTrue(idml.account(s.member).seat != i + 1, "a seat that was left");
            }
        }
        uint256 seated;
        for (uint256 i; i < handler.countActors(); ++i) {
            if (idml.account(handler.actors(i)).seat > 0) ++seated;
        }
        assertEq(taken, seated, "seated");
    }

    /// @dev Only who has the stake has a seat, and nobody else's.
    function seatsBelongToTheStaked() private view {
        for (uint256 i; i < handler.countActors(); ++i) {
            address who = handler.actors(i);
            Account memory a = idml.account(who);
            if (a.seat == 0) continue;
            assertLe(idml.stakeThreshold(), handler.pledgedBy(who), "seated below the threshold");
            Seat memory s = idml.seat(a.seat - 1);
            assertEq(s.member, who, "member");
            assertEq(s.inactiveFrom, type(uint32).max, "inactive");
        }
    }

    /// @dev Whoever is drawn unseen holds that seat, and held it before any encounter that can still be settled.
    function tenureIsThatOfASeat() private view {
        for (uint256 i; i < handler.countActors(); ++i) {
            address who = handler.actors(i);
            uint256 tenure = handler.tenureOf(who);
            if (tenure == 0) continue;
            assertEq(tenure, idml.account(who).seat, "another seat");
            Seat memory s = idml.seat(tenure - 1);
            assertEq(s.member, who, "somebody else's");
            assertTrue(s.activeFrom + idml.unbondingDelay() < block.timestamp, "too early");
        }
    }

    function historyCountsEveryEncounter() private view {
        History memory sum;
        for (uint256 i; i < handler.countActors(); ++i) {
            History memory h = idml.history(handler.actors(i));
            sum.completedAsLearner += h.completedAsLearner;
            sum.completedAsNeighbor += h.completedAsNeighbor;
            sum.incompleteAsLearner += h.incompleteAsLearner;
            sum.incompleteAsNeighbor += h.incompleteAsNeighbor;
            sum.accepted += h.accepted;
            sum.rejected += h.rejected;
        }
        uint256 judged = handler.cases(2) + handler.cases(3) + handler.cases(4) + handler.cases(5);
        assertEq(sum.completedAsLearner, judged + handler.cases(1), "completed as learner");
        assertEq(sum.completedAsNeighbor, judged + handler.cases(1), "completed as neighbor");
        assertEq(sum.incompleteAsLearner, handler.incompletes(), "incomplete as learner");
        assertEq(sum.incompleteAsNeighbor, handler.incompletes(), "incomplete as neighbor");
        assertEq(sum.accepted, handler.cases(2) + handler.cases(4), "accepted");
        assertEq(sum.rejected, handler.cases(3) + handler.cases(5), "rejected");
    }

    /// @dev In the end every encounter can be ended and every token can go.
    function afterInvariant() public {
        noOtherLaneIsBusy();
        handler.windDown();
        accountsHoldAllTokens();
        tokensAreConserved();
        historyCountsEveryEncounter();
    }

    /// @dev That the actions reach everything there is: else the invariants would prove nothing.
    function test_handlerReachesEveryEnd() public {
        bool tenured;
        for (uint256 i; i < 160; ++i) {
            uint256 random = uint256(keccak256(abi.encode(i)));
            handler.open(random >> 8, random >> 16, random >> 24, random >> 32);
            handler.proceed(random >> 40, random >> 48);
            if (i % 8 == 0) handler.reject(random >> 56);
            handler.finalize(random >> 64);
            handler.warp(random >> 72 << 5 | random & 7);
            handler.setBudget(random >> 80, random >> 88, uint8(random >> 96));
            handler.settleDeals(random, random >> 104);
            if (i % 16 == 3) {
                handler.requestRelease(random >> 80, uint96(random), uint8(random), uint64(random >> 128));
            }
            handler.completeRelease(random >> 104);
            if (i % 32 == 7) handler.equivocate(random >> 112, random >> 120);
            if (i % 32 == 9) handler.doubleVote(random >> 128, random >> 136, bytes32(random));
            handler.deposit(random >> 144, random >> 152);
            handler.completeUnstake(random >> 160);
            handler.stake(random >> 168, random >> 176);
            handler.takeSeat(random >> 184);
            tenured = tenured || isAnyoneTenured();
            if (i % 8 == 0) this.invariant_all(); // A call of its own, so that its memory is freed.
        }
        for (uint256 i = 1; i <= 5; ++i) {
            assertTrue(handler.cases(i) > 0, "a case never happened");
        }
        assertTrue(handler.rejections() > 0, "no rejection");
        assertTrue(handler.incompletes() > 0, "nothing incomplete");
        assertTrue(handler.contests() > 0 && handler.draws() > 0, "no contest");
        assertTrue(handler.signed() > 0 && handler.batched() > 0 && handler.coSigned() > 0, "a path never taken");
        assertTrue(handler.equivocations() > 0 && handler.doubleVotes() > 0, "no offence");
        assertTrue(handler.released() > 0, "no release");
        assertTrue(tenured, "no tenure");
        handler.windDown();
    }

    function isAnyoneTenured() private view returns (bool) {
        for (uint256 i; i < handler.countActors(); ++i) {
            if (handler.tenureOf(handler.actors(i)) > 0) return true;
        }
        return false;
    }
}
