// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice How a contract wallet answers when it is asked for a signature.
enum Manner {
    Honest,
    BurnsAllGas,
    ReturnsGarbage,
    ReturnsTooLittle,
    ReturnsTooMuch,
    ReturnsDirtyMagic,
    Reverts,
    RevertsWithMagic,
    Reenters,
    DependsOnGas
}

/// @notice A contract wallet (ERC-1271) that accepts what its owner signs, or misbehaves.
contract Wallet {
    address private immutable owner;
    Manner private manner;
    address private target;
    bytes private attack;

    constructor(address owner_) {
        owner = owner_;
    }

    function behave(Manner manner_) external {
        manner = manner_;
    }

    /// @dev What it tries to do while it is asked.
    function aim(address target_, bytes calldata attack_) external {
        (manner, target, attack) = (Manner.Reenters, target_, attack_);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external returns (bytes4) {
        bytes4 magic = this.isValidSignature.selector;
        Manner how = manner;
        if (how == Manner.BurnsAllGas) {
            assembly {
                invalid()
            }
        }
        if (how == Manner.ReturnsGarbage) {
            assembly {
                mstore(0, not(0))
                return(0, 0x20)
            }
        }
        if (how == Manner.ReturnsTooLittle) {
            assembly {
                mstore(0, magic)
                return(0, 0x1f)
            }
        }
        if (how == Manner.ReturnsTooMuch) {
            assembly {
                mstore(0, not(0))
                return(0, 0x4000)
            }
        }
        if (how == Manner.ReturnsDirtyMagic) {
            assembly {
                mstore(0, or(magic, 1))
                return(0, 0x20)
            }
        }
        if (how == Manner.Reverts) revert("no");
        if (how == Manner.RevertsWithMagic) {
            assembly {
                mstore(0, magic)
                revert(0, 0x20)
            }
        }
        if (how == Manner.Reenters) {
            (bool ok,) = target.call(attack);
            return ok ? bytes4(0xdeadbeef) : magic;
        }
        if (how == Manner.DependsOnGas && gasleft() < 1_000_000) return 0;
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, signature);
        return failure == ECDSA.RecoverError.NoError && signer == owner ? magic : bytes4(0);
    }
}
