// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

/// @title IDMLToken
/// @notice The token in which devices pay each other. Anyone buys it with the chain's native currency at a fixed rate
/// and redeems it at the same rate. No owner, no other way to mint.
/// @dev `totalSupply <= balance * RATE` always: every token can be redeemed.
contract IDMLToken is ERC20Permit, ReentrancyGuard {
    error ZeroAmount();
    error ZeroRate();

    event Bought(address indexed account, uint256 paid, uint256 minted);
    event Redeemed(address indexed account, uint256 burnt, uint256 paid);

    /// @notice Base units of the token for one wei of native currency.
    uint256 public immutable RATE;

    constructor(uint256 rate) ERC20("iDML Token", "IDML") ERC20Permit("iDML Token") {
        if (rate == 0) revert ZeroRate();
        RATE = rate;
    }

    /// @notice Mints `msg.value * RATE` tokens to the caller.
    function buy() external payable {
        if (msg.value == 0) revert ZeroAmount();
        uint256 minted = msg.value * RATE;

        _mint(msg.sender, minted);

        emit Bought(msg.sender, msg.value, minted);
    }

    /// @notice Burns the caller's tokens and pays `amount / RATE` wei to it.
    /// @dev Warning: rounds down, so what is not a multiple of RATE is lost to the caller.
    function redeem(uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        uint256 paid = amount / RATE;

        _burn(msg.sender, amount);

        emit Redeemed(msg.sender, amount, paid);

        Address.sendValue(payable(msg.sender), paid);
    }

    /// @notice Burns the caller's tokens; what backed them stays here.
    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }
}
