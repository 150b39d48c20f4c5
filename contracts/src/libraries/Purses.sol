// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

using Purses for Purse global;

/// @notice What a learner needs, in one word. From the low end: balance (96 bits), nonceBase (32), nonceWindow (64),
/// encounters that it opened and that are not over (8), budgetNonces (8), budgetReward in units of 2^48 (48).
type Purse is uint256;

/// @title Purses
/// @notice Reads and changes a `Purse`. No function here overflows into the next field as long as its caller keeps the
/// promise that its comment names.
library Purses {
    uint256 internal constant REWARD_UNIT = 1 << 48;
    uint256 internal constant NONCE_WINDOW = 64;

    uint256 private constant BASE = 96;
    uint256 private constant WINDOW = 128;
    uint256 private constant OPEN = 192;
    uint256 private constant NONCES = 200;
    uint256 private constant REWARD = 208;

    function balance(Purse purse) internal pure returns (uint256) {
        return uint96(Purse.unwrap(purse));
    }

    function nonceBase(Purse purse) internal pure returns (uint256) {
        return uint32(Purse.unwrap(purse) >> BASE);
    }

    function nonceWindow(Purse purse) internal pure returns (uint256) {
        return uint64(Purse.unwrap(purse) >> WINDOW);
    }

    function open(Purse purse) internal pure returns (uint256) {
        return uint8(Purse.unwrap(purse) >> OPEN);
    }

    function budgetNonces(Purse purse) internal pure returns (uint256) {
        return uint8(Purse.unwrap(purse) >> NONCES);
    }

    function budgetReward(Purse purse) internal pure returns (uint256) {
        return Purse.unwrap(purse) >> REWARD << 48;
    }

    /// @dev All tokens together fit into 96 bits.
    function credit(Purse purse, uint256 amount) internal pure returns (Purse) {
        unchecked {
            return Purse.wrap(Purse.unwrap(purse) + amount);
        }
    }

    /// @dev Not more than the balance.
    function debit(Purse purse, uint256 amount) internal pure returns (Purse) {
        unchecked {
            return Purse.wrap(Purse.unwrap(purse) - amount);
        }
    }

    /// @dev At most 128 are open at a time.
    function begin(Purse purse) internal pure returns (Purse) {
        unchecked {
            return Purse.wrap(Purse.unwrap(purse) + (1 << OPEN));
        }
    }

    /// @dev One is open.
    function end(Purse purse) internal pure returns (Purse) {
        unchecked {
            return Purse.wrap(Purse.unwrap(purse) - (1 << OPEN));
        }
    }

    /// @param units Of 2^48, at most 48 bits.
    /// @param nonces At most 8 bits.
    function setBudget(Purse purse, uint256 units, uint256 nonces) internal pure returns (Purse) {
        uint256 kept = Purse.unwrap(purse) & ((1 << NONCES) - 1);
        return Purse.wrap(kept | nonces << NONCES | units << REWARD);
    }

    /// @notice What the budget keeps of the balance: its reward for each unused nonce that it covers.
    function cover(Purse purse) internal pure returns (uint256) {
        uint256 nonces = purse.budgetNonces();
        if (nonces == 0) return 0;
        uint256 unused = ~purse.nonceWindow() & ((1 << nonces) - 1);
        uint256 count;
        for (; unused != 0; unused &= unused - 1) {
            ++count;
        }
        unchecked {
            return count * purse.budgetReward(); // At most 64 times 96 bits.
        }
    }

    /// @notice Moves the base beyond the nonces that are used, if the balance covers a whole window from there.
    function slide(Purse purse) internal pure returns (Purse) {
        uint256 window = purse.nonceWindow();
        if (window & 1 == 0) return purse;
        unchecked {
            if (purse.balance() < purse.budgetNonces() * purse.budgetReward()) return purse;
            uint256 moved = 1;
            while (window >> moved & 1 != 0) {
                ++moved;
            }
            uint256 shifted = window - (window >> moved);
            return Purse.wrap(Purse.unwrap(purse) - (shifted << WINDOW) + (moved << BASE));
        }
    }

    /// @notice Whether a nonce was used; only for nonces below the end of the window.
    function isUsed(Purse purse, uint256 nonce) internal pure returns (bool) {
        uint256 base = purse.nonceBase();
        return nonce < base || purse.nonceWindow() >> (nonce - base) & 1 != 0;
    }

    /// @notice Uses up a nonce inside the window.
    function useNonce(Purse purse, uint256 nonce) internal pure returns (Purse) {
        unchecked {
            uint256 bit = 1 << (WINDOW + nonce - purse.nonceBase());
            return Purse.wrap(Purse.unwrap(purse) | bit).slide();
        }
    }

    /// @notice Uses up nonces.
    /// @param mask Bit i set: nonce `nonceBase + i`.
    function useNonces(Purse purse, uint256 mask) internal pure returns (Purse) {
        return Purse.wrap(Purse.unwrap(purse) | mask << WINDOW).slide();
    }
}
