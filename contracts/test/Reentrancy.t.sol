// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {IDMLTest, IIDML, IRecords, IToken} from "./utils/IDMLTest.sol";

/// @dev A token that is a participant too, and acts whenever it is moved.
contract HostileToken is ERC20("hostile", "H") {
    address private target;
    bytes private attack;
    bool private armed;
    bool public succeeded;
    bytes public answer;

    function aim(address target_, bytes calldata attack_) external {
        (target, attack, armed, succeeded) = (target_, attack_, true, false);
    }

    function act(address who, bytes calldata data) external {
        (bool ok, bytes memory reason) = who.call(data);
        if (!ok) {
            assembly {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }

    function mint(address who, uint256 amount) external {
        _mint(who, amount);
    }

    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (armed) {
            armed = false;
            (succeeded, answer) = target.call(attack);
        }
        super._update(from, to, amount);
    }
}

contract ReentrancyTest is IDMLTest {
    uint256 private constant AMOUNT = 50e18;

    HostileToken private hostile;

    /// @dev IDML over the hostile token, which is a participant with a balance.
    function setUp() public override {
        vm.warp(START);
        hostile = new HostileToken();
        token = IToken(address(hostile));
        idml = IIDML(vm.deployCode("IDML.sol:IDML", abi.encode(hostile, THRESHOLD, DELAY)));
        hostile.mint(address(hostile), 10 * AMOUNT);
        hostile.act(address(hostile), abi.encodeCall(hostile.approve, (address(idml), type(uint256).max)));
        act(abi.encodeCall(idml.deposit, (AMOUNT)));
        vm.warp(START + 1);
    }

    /// @dev Every function that moves tokens, from within every function that moves tokens.
    function test_reentrancy_tokensMoveOneAtATime() public {
        bytes[4] memory moves = [
            abi.encodeCall(idml.deposit, (1)),
            abi.encodeCall(idml.depositWithPermit, (1, 0, 0, 0, 0)),
            abi.encodeCall(idml.withdraw, (1)),
            abi.encodeCall(idml.flush, ())
        ];
        for (uint256 outer; outer < 3; ++outer) {
            for (uint256 inner; inner < 4; ++inner) {
                hostile.aim(address(idml), moves[inner]);
                act(moves[outer]);
                assertTrue(!hostile.succeeded(), "reentered");
                assertEq(
                    bytes32(hostile.answer()), bytes32(ReentrancyGuard.ReentrancyGuardReentrantCall.selector), "guard"
                );
            }
        }
        expectSolvent();
    }

    /// @dev What was withdrawn is gone before the token is called.
    function test_reentrancy_cannotSpendWhatIsLeaving() public {
        bytes[2] memory attacks =
            [abi.encodeCall(idml.stake, (1)), abi.encodeCall(idml.setBudget, (uint96(1), uint8(1)))];
        for (uint256 i; i < 2; ++i) {
            uint256 start = vm.snapshotState();
            hostile.aim(address(idml), attacks[i]);
            act(abi.encodeCall(idml.withdraw, (AMOUNT)));
            assertTrue(!hostile.succeeded(), "spent twice");
            assertEq(bytes32(bytes4(hostile.answer())), bytes32(IRecords.InsufficientBalance.selector), "reason");
            expectSolvent();
            vm.revertToState(start);
        }
    }

    /// @dev What is arriving may be used at once: if the transfer fails everything is undone.
    function test_reentrancy_mayUseWhatIsArriving() public {
        hostile.aim(address(idml), abi.encodeCall(idml.stake, (2 * AMOUNT)));
        act(abi.encodeCall(idml.deposit, (AMOUNT)));
        assertTrue(hostile.succeeded(), "staked");
        assertEq(stakeOf(address(hostile)), 2 * AMOUNT, "stake");
        expectSolvent();
    }

    function test_reentrancy_aFailedTransferUndoesWhatUsedIt() public {
        hostile.aim(address(idml), abi.encodeCall(idml.stake, (AMOUNT)));
        uint256 all = hostile.balanceOf(address(hostile));
        bytes memory call = abi.encodeCall(idml.deposit, (all + 1));
        (bool ok,) = address(hostile).call(abi.encodeCall(hostile.act, (address(idml), call)));
        assertTrue(!ok, "deposited more than there is");
        assertEq(stakeOf(address(hostile)), 0, "stake");
        assertEq(balanceOf(address(hostile)), AMOUNT, "balance");
    }

    function act(bytes memory data) private {
        hostile.act(address(idml), data);
    }

    function expectSolvent() private view {
        assertLe(tokensOf(address(hostile)), hostile.balanceOf(address(idml)), "more than there is");
    }
}
