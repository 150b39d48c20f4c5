// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Base} from "./Base.sol";
import {IDMLToken} from "./IDMLToken.sol";
import {IDesk, Release} from "./interfaces/IIDML.sol";
import {Participant} from "./libraries/Participants.sol";
import {Party} from "./libraries/Parties.sol";
import {Purse, Purses} from "./libraries/Purses.sol";
import {SeatTable, Seats} from "./libraries/Seats.sol";

/// @title Accounts
/// @notice What participants do with their own money: balance, stake, seat and budget.
/// @dev Safe casts to 96 bits: a deposit reverts if the contract would hold more than that, and no amount exceeds
/// what it holds.
abstract contract Accounts is Base, IDesk {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using Seats for SeatTable;

    /* BALANCE */

    /// @inheritdoc IDesk
    function deposit(uint256 amount) external nonReentrant {
        _deposit(amount);
    }

    /// @inheritdoc IDesk
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external nonReentrant {
        // Whoever saw the permit may have used it already; then the allowance decides.
        // Safe: guarded against reentrancy, and nothing was read before.
        // slither-disable-next-line reentrancy-benign
        try IERC20Permit(_token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(amount);
    }

    /// @inheritdoc IDesk
    function withdraw(uint256 amount) external nonReentrant {
        _withdraw(msg.sender, amount);

        emit Withdrawn(msg.sender, amount);

        IERC20(_token).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IDesk
    function flush() external nonReentrant {
        uint256 amount = _participants[address(0)].purse.balance();
        _withdraw(address(0), amount);

        emit Flushed(amount);

        IDMLToken(_token).burn(amount);
    }

    /* STAKE AND SEAT */

    /// @inheritdoc IDesk
    function stake(uint256 amount) external {
        Participant storage self = _participants[msg.sender];
        Party party = _party(msg.sender);
        uint256 pledged = party.claim(0);
        _debit(party, amount);
        party.setPledge(party.pledge().add(amount));
        self.setLevel(pledged + amount);
        party.save();

        emit Staked(msg.sender, amount);

        bool mayTakeSeat = self.record.seat == 0 && block.timestamp >= self.plan.seatFrom;
        if (mayTakeSeat && pledged + amount >= _threshold) _takeSeat(self);
    }

    /// @inheritdoc IDesk
    function requestUnstake(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        Participant storage self = _participants[msg.sender];
        Party party = _party(msg.sender);
        uint256 pledged = party.claim(0);
        uint256 locked = party.pledge().locked();
        uint256 free = pledged > locked ? pledged - locked : 0;
        if (free < amount) revert InsufficientStake(msg.sender, free, amount);

        uint256 releaseAt = block.timestamp + _delay;
        party.setPledge(party.pledge().take(amount));
        self.setLevel(pledged - amount);
        self.exit.unbonding += uint96(amount);
        self.exit.releaseAt = releaseAt.toUint40();

        emit UnstakeRequested(msg.sender, amount, releaseAt);

        _leaveSeatIfShort(party);
        party.save();
    }

    /// @inheritdoc IDesk
    function completeUnstake() external {
        Participant storage self = _participants[msg.sender];
        (uint96 amount, uint256 releaseAt) = (self.exit.unbonding, self.exit.releaseAt);
        if (amount == 0) revert NothingUnbonding(msg.sender);
        if (block.timestamp < releaseAt) revert StillUnbonding(msg.sender, releaseAt);

        delete self.exit;
        self.purse = self.purse.credit(amount);

        emit Unstaked(msg.sender, amount);
    }

    /// @inheritdoc IDesk
    function setTarget(uint96 target) external {
        Participant storage self = _participants[msg.sender];
        Party party = _party(msg.sender);
        uint256 pledged = party.claim(0);
        party.save();
        self.plan.target = target;
        self.setLevel(pledged);

        emit TargetSet(msg.sender, target);
    }

    /// @inheritdoc IDesk
    function takeSeat() external {
        Participant storage self = _participants[msg.sender];
        if (self.record.seat != 0) revert AlreadySeated(msg.sender);
        if (block.timestamp < self.plan.seatFrom) revert SeatCooling(msg.sender, self.plan.seatFrom);
        uint256 pledged = self.pledge.stake();
        if (pledged > self.plan.level) pledged = self.plan.level;
        if (pledged < _threshold) revert InsufficientStake(msg.sender, pledged, _threshold);

        _takeSeat(self);
    }

    /* BUDGET */

    /// @inheritdoc IDesk
    function setBudget(uint96 rewardMax, uint8 nonces) external {
        Party party = _party(msg.sender);
        // What is pledged is of no matter here.
        // slither-disable-next-line unused-return
        party.claim(0);
        Purse purse = party.purse();
        uint256 units = _units(rewardMax, nonces);
        bool lower = units * Purses.REWARD_UNIT < purse.budgetReward() || nonces < purse.budgetNonces();
        if (lower) revert BudgetOnlyRises(rewardMax, nonces);

        delete party.stored().release;
        party.setPurse(purse.setBudget(units, nonces).slide());
        _requireCovered(party, 0);
        party.save();

        emit BudgetSet(msg.sender, units * Purses.REWARD_UNIT, nonces);
    }

    /// @inheritdoc IDesk
    function requestRelease(uint96 rewardMax, uint8 nonces, uint64 retired) external {
        Participant storage self = _participants[msg.sender];
        uint256 units = _units(rewardMax, nonces);
        uint32 base = uint32(self.purse.nonceBase());
        uint40 releaseAt = (block.timestamp + _delay).toUint40();
        self.release = Release(uint48(units), nonces, base, retired, releaseAt);

        emit ReleaseRequested(msg.sender, units * Purses.REWARD_UNIT, nonces, base, retired, releaseAt);
    }

    /// @inheritdoc IDesk
    function completeRelease() external {
        Participant storage self = _participants[msg.sender];
        Release memory release = self.release;
        if (release.releaseAt == 0) revert NothingToRelease(msg.sender);
        if (block.timestamp < release.releaseAt) revert StillUnbonding(msg.sender, release.releaseAt);

        delete self.release;
        Purse purse = self.purse;
        uint256 units = purse.budgetReward() / Purses.REWARD_UNIT;
        if (release.rewardMax < units) units = release.rewardMax;
        uint256 nonces = purse.budgetNonces();
        if (release.nonces < nonces) nonces = release.nonces;
        uint256 passed = purse.nonceBase() - release.nonceBase;
        uint256 retired = passed < Purses.NONCE_WINDOW ? release.retired >> passed : 0;
        for (uint256 unused = retired & ~purse.nonceWindow(); unused != 0; unused &= unused - 1) {
            ++self.record.retired;
        }
        self.purse = purse.setBudget(units, nonces).useNonces(retired);

        emit Released(msg.sender);
    }

    /* INTERNAL */

    /// @dev Takes from the free balance, into which earnings were claimed before.
    function _debit(Party party, uint256 amount) private view {
        if (amount == 0) revert ZeroAmount();
        Purse purse = party.purse();
        if (purse.balance() < amount) revert InsufficientBalance(party.who(), purse.balance(), amount);
        party.setPurse(purse.debit(amount));
        _requireCovered(party, amount);
    }

    /// @dev A budget's reward in units of 2^48, rounded up.
    function _units(uint256 rewardMax, uint256 nonces) private pure returns (uint256 units) {
        units = (rewardMax + Purses.REWARD_UNIT - 1) / Purses.REWARD_UNIT;
        if (units > type(uint48).max || nonces > Purses.NONCE_WINDOW) revert BudgetTooLarge(rewardMax, nonces);
    }

    function _deposit(uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        Participant storage self = _participants[msg.sender];
        self.purse = self.purse.credit(amount.toUint96()).slide();

        emit Deposited(msg.sender, amount);

        IERC20(_token).safeTransferFrom(msg.sender, address(this), amount);
        // All accounts together fit into 96 bits, so no account can ever overflow.
        // It reverts, which is all it is for.
        // slither-disable-next-line unused-return
        IERC20(_token).balanceOf(address(this)).toUint96();
    }

    function _withdraw(address who, uint256 amount) private {
        Party party = _party(who);
        // What is pledged is of no matter here.
        // slither-disable-next-line unused-return
        party.claim(0);
        _debit(party, amount);
        party.save();
    }

    /// @dev Seats the caller.
    function _takeSeat(Participant storage self) private {
        uint256 index = _seats.take(msg.sender, _delay);
        self.record.seat = (index + 1).toUint32();

        emit SeatTaken(index, msg.sender, block.timestamp);
    }
}
