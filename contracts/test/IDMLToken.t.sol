// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {IDMLTest, IToken} from "./utils/IDMLTest.sol";

/// @dev Tries to redeem once more while it is being paid.
contract Reentrant {
    IToken private immutable token;
    bytes public failure;

    constructor(IToken token_) {
        token = token_;
    }

    function attack(uint256 amount) external {
        token.redeem(amount);
    }

    receive() external payable {
        try token.redeem(1) {}
        catch (bytes memory reason) {
            failure = reason;
        }
    }
}

contract IDMLTokenTest is IDMLTest {
    address private holder;

    function setUp() public override {
        super.setUp();
        holder = newActor("holder");
    }

    function test_token_names() public view {
        (bool ok, bytes memory name) = address(token).staticcall(abi.encodeWithSignature("name()"));
        assertTrue(ok && keccak256(abi.decode(name, (bytes))) == keccak256("iDML Token"), "name");
        (bool ok2, bytes memory symbol) = address(token).staticcall(abi.encodeWithSignature("symbol()"));
        assertTrue(ok2 && keccak256(abi.decode(symbol, (bytes))) == keccak256("IDML"), "symbol");
        assertEq(token.RATE(), RATE, "rate");
    }

    function test_token_revertsWithoutRate() public {
        vm.expectRevert(abi.encodeWithSelector(IToken.ZeroRate.selector));
        vm.deployCode("IDMLToken.sol:IDMLToken", abi.encode(uint256(0)));
    }

    function test_buy() public {
        vm.deal(holder, 5);
        vm.expectEmit(address(token));
        emit IToken.Bought(holder, 5, 5 * RATE);
        vm.prank(holder);
        token.buy{value: 5}();
        assertEq(token.balanceOf(holder), 5 * RATE, "tokens");
    }

    function test_buy_revertsForNothing() public {
        expect(IToken.ZeroAmount.selector);
        token.buy{value: 0}();
    }

    function test_redeem_roundsDown() public {
        giveTokens(holder, 5 * RATE);
        vm.expectEmit(address(token));
        emit IToken.Redeemed(holder, 2 * RATE - 1, 1);
        vm.prank(holder);
        token.redeem(2 * RATE - 1);
        assertEq(holder.balance, 1, "wei");
        assertEq(token.balanceOf(holder), 3 * RATE + 1, "tokens");
    }

    function test_redeem_revertsForNothing() public {
        expect(IToken.ZeroAmount.selector);
        token.redeem(0);
    }

    function test_redeem_revertsBeyondTheBalance() public {
        giveTokens(holder, RATE);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, holder, RATE, RATE + 1));
        vm.prank(holder);
        token.redeem(RATE + 1);
    }

    function test_redeem_cannotBeReentered() public {
        Reentrant thief = new Reentrant(token);
        giveTokens(holder, 5 * RATE);
        vm.prank(holder);
        token.transfer(address(thief), 5 * RATE);
        thief.attack(RATE);
        assertEq(address(thief).balance, 1, "paid once");
        assertEq(
            bytes32(thief.failure()), bytes32(ReentrancyGuard.ReentrancyGuardReentrantCall.selector), "second time"
        );
    }

    function test_burn_keepsWhatBackedIt() public {
        giveTokens(holder, 5 * RATE);
        (uint256 supply, uint256 backing) = (token.totalSupply(), address(token).balance);
        vm.prank(holder);
        token.burn(RATE);
        assertEq(token.totalSupply(), supply - RATE, "supply");
        assertEq(address(token).balance, backing, "backing");
    }

    function testFuzz_token_staysRedeemable(uint96 paid, uint256 redeemed, uint256 burnt) public {
        vm.assume(paid > 0);
        vm.deal(holder, paid);
        vm.prank(holder);
        token.buy{value: paid}();
        redeemed = bound(redeemed, 1, token.balanceOf(holder));
        vm.prank(holder);
        token.redeem(redeemed);
        burnt = bound(burnt, 0, token.balanceOf(holder));
        vm.prank(holder);
        token.burn(burnt);
        assertLe(token.totalSupply(), address(token).balance * RATE, "supply");
    }
}
