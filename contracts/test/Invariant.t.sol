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
        bytes4[] memory actions = new bytes4[](18);
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
        // Named more than once: done more often.
        (actions[14], actions[15], actions[16], actions[17]) = (actions[9], actions[9], actions[11], actions[11]);
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), actions);
    }

    /// @dev One function, so that one campaign serves all.
    function invariant_all() public view {
        accountsHoldAllTokens();
        tokensAreConserved();
        locksAreThoseOfOpenEncounters();
        statesAreThoseOfOpenEncounters();
        seatsBelongToTheStaked();
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
        for (uint256 i; i < handler.countActors(); ++i) {
            address who = handler.actors(i);
            Account memory a = idml.account(who);
            assertLe(a.locked, a.stake, "locked beyond the stake");
            assertEq(a.locked, handler.expectedLock(who), "locked");
        }
    }

    function statesAreThoseOfOpenEncounters() private view {
        for (uint256 i; i < handler.countOngoing(); ++i) {
            Encounter memory e = abi.decode(handler.ongoing(i), (Encounter));
            assertEq(idml.stateHash(e.id), keccak256(abi.encode(e.progress)), "state");
        }
    }

    /// @dev Only who has the stake has a seat, and nobody else's.
    function seatsBelongToTheStaked() private view {
        for (uint256 i; i < handler.countActors(); ++i) {
            address who = handler.actors(i);
            Account memory a = idml.account(who);
            if (a.seat == 0) continue;
            assertLe(idml.stakeThreshold(), a.stake, "seated below the threshold");
            Seat memory s = idml.seat(a.seat - 1);
            assertEq(s.member, who, "member");
            assertEq(s.inactiveFrom, type(uint32).max, "inactive");
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
        handler.windDown();
        accountsHoldAllTokens();
        tokensAreConserved();
        historyCountsEveryEncounter();
    }

    /// @dev That the actions end encounters in every way there is: else the invariants would prove nothing.
    function test_handlerReachesEveryEnd() public {
        for (uint256 i; i < 200; ++i) {
            uint256 random = uint256(keccak256(abi.encode(i)));
            handler.open(random >> 8, random >> 16, random >> 24, random >> 32);
            handler.proceed(random >> 40, random >> 48);
            if (i % 8 == 0) handler.reject(random >> 56);
            handler.finalize(random >> 64);
            handler.warp(random >> 72 << 5);
            this.invariant_all(); // A call of its own, so that its memory is freed.
        }
        for (uint256 i = 1; i <= 5; ++i) {
            assertTrue(handler.cases(i) > 0, "a case never happened");
        }
        assertTrue(handler.rejections() > 0, "no rejection");
        assertTrue(handler.incompletes() > 0, "nothing incomplete");
        handler.windDown();
    }
}
