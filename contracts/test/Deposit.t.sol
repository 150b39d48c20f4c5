// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IDMLTest, IRecords} from "./utils/IDMLTest.sol";

contract DepositTest is IDMLTest {
    address private holder;

    function setUp() public override {
        super.setUp();
        holder = newActor("holder");
    }

    function test_deposit() public {
        giveTokens(holder, 5e18);
        uint256 held = token.balanceOf(address(idml));
        vm.expectEmit(address(idml));
        emit IRecords.Deposited(holder, 3e18);
        vm.prank(holder);
        idml.deposit(3e18);
        assertEq(balanceOf(holder), 3e18, "balance");
        assertEq(token.balanceOf(holder), 2e18, "wallet");
        assertEq(token.balanceOf(address(idml)), held + 3e18, "held");
    }

    function test_deposit_revertsForNothing() public {
        expect(IRecords.ZeroAmount.selector);
        idml.deposit(0);
    }

    function test_deposit_revertsBeyondTheAllowance() public {
        giveTokens(holder, 5e18);
        vm.prank(holder);
        token.approve(address(idml), 1);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(idml), 1, 2));
        vm.prank(holder);
        idml.deposit(2);
    }

    function test_deposit_revertsWhenAllAccountsExceed96Bits() public {
        uint256 room = type(uint96).max - token.balanceOf(address(idml));
        giveTokens(holder, room + RATE);
        vm.expectRevert(
            abi.encodeWithSelector(
                SafeCast.SafeCastOverflowedUintDowncast.selector, uint8(96), uint256(type(uint96).max) + 1
            )
        );
        vm.prank(holder);
        idml.deposit(room + 1);
        vm.prank(holder);
        idml.deposit(room);
        assertEq(balanceOf(holder), room, "balance");
    }

    /* PERMIT */

    function test_depositWithPermit() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(5e18);
        vm.prank(holder);
        idml.depositWithPermit(5e18, block.timestamp, v, r, s);
        assertEq(balanceOf(holder), 5e18, "balance");
        assertEq(token.allowance(holder, address(idml)), 0, "allowance");
    }

    function test_depositWithPermit_survivesFrontRunning() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(5e18);
        token.permit(holder, address(idml), 5e18, block.timestamp, v, r, s);
        vm.prank(holder);
        idml.depositWithPermit(5e18, block.timestamp, v, r, s);
        assertEq(balanceOf(holder), 5e18, "balance");
    }

    function test_depositWithPermit_revertsOnAWrongSignature() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(5e18);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(idml), 0, 4e18)
        );
        vm.prank(holder);
        idml.depositWithPermit(4e18, block.timestamp, v, r, s);
    }

    function test_depositWithPermit_revertsForNothing() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(0);
        expect(IRecords.ZeroAmount.selector);
        vm.prank(holder);
        idml.depositWithPermit(0, block.timestamp, v, r, s);
    }

    function permit(uint256 amount) private returns (uint8 v, bytes32 r, bytes32 s) {
        giveTokens(holder, 5e18);
        vm.prank(holder);
        token.approve(address(idml), 0);
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 statement =
            keccak256(abi.encode(typehash, holder, address(idml), amount, token.nonces(holder), block.timestamp));
        return vm.sign(keys[holder], keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), statement)));
    }
}
