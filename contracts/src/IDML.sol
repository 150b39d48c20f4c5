// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {Batches} from "./Batches.sol";
import {Desk} from "./Desk.sol";
import {Encounters} from "./Encounters.sol";

/// @title IDML
/// @notice Holds the money of all participants and settles what they do for each other; `IIDML` is its whole face.
/// @dev Two halves on one storage: encounters here, everything else in the desk, which this contract creates and whose
/// code nobody can exchange.
contract IDML is Encounters, Batches {
    /// @notice The code of the other half.
    address public immutable desk;

    /// @param token An IDMLToken.
    /// @param threshold The stake that neighbors and validators need, in base units of the token.
    /// @param delay Time between leaving the stake and being free, in seconds.
    constructor(address token, uint256 threshold, uint256 delay) Base(token, threshold, delay) {
        // Without a token nothing could ever be deposited.
        // slither-disable-next-line missing-zero-check
        desk = address(new Desk(token, threshold, delay));
    }

    /// @dev Everything that is not part of an encounter.
    fallback() external {
        address half = desk;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let success := delegatecall(gas(), half, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if iszero(success) { revert(free, returndatasize()) }
            return(free, returndatasize())
        }
    }
}
