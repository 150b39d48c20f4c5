// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Phase} from "../src/interfaces/IIDML.sol";
import {Pledge, Pledges} from "../src/libraries/Pledges.sol";
import {Purse, Purses} from "../src/libraries/Purses.sol";
import {Stage, Stages} from "../src/libraries/Stages.sol";

/// @notice Proves for every word that a change of one field, within the promise its comment names, changes that field
/// as it says and no other.
/// @dev Run by halmos, which takes each argument of a `check_` function as unknown.
contract PurseProof {
    uint256 private constant BASE = 96;
    uint256 private constant WINDOW = 128;
    uint256 private constant OPEN = 192;
    uint256 private constant BUDGET = 200;

    function check_credit(Purse purse, uint96 amount) external pure {
        if (purse.balance() + amount > type(uint96).max) return;
        Purse changed = purse.credit(amount);
        assert(changed.balance() == purse.balance() + amount);
        _sameAbove(purse, changed, BASE);
    }

    function check_debit(Purse purse, uint96 amount) external pure {
        if (amount > purse.balance()) return;
        Purse changed = purse.debit(amount);
        assert(changed.balance() == purse.balance() - amount);
        _sameAbove(purse, changed, BASE);
    }

    function check_begin(Purse purse) external pure {
        if (purse.open() >= 64) return;
        Purse changed = purse.begin();
        assert(changed.open() == purse.open() + 1);
        _sameBelow(purse, changed, OPEN);
        _sameAbove(purse, changed, BUDGET);
    }

    function check_end(Purse purse) external pure {
        if (purse.open() == 0) return;
        Purse changed = purse.end();
        assert(changed.open() == purse.open() - 1);
        _sameBelow(purse, changed, OPEN);
        _sameAbove(purse, changed, BUDGET);
    }

    function check_setBudget(Purse purse, uint48 units, uint8 nonces) external pure {
        Purse changed = purse.setBudget(units, nonces);
        assert(changed.budgetReward() == uint256(units) * Purses.REWARD_UNIT);
        assert(changed.budgetNonces() == nonces);
        _sameBelow(purse, changed, BUDGET);
    }

    /// @dev What is used stays used, what is unused stays unused; the base has room for 64 more.
    function check_slide(Purse purse, uint8 place) external pure {
        if (place >= 64 || purse.nonceBase() > type(uint32).max - 64) return;
        Purse changed = purse.slide();
        uint256 nonce = purse.nonceBase() + place;
        assert(changed.isUsed(nonce) == purse.isUsed(nonce));
        _sameButNonces(purse, changed);
    }

    function check_useNonce(Purse purse, uint8 place, uint8 other) external pure {
        if (place >= 64 || other >= 64 || purse.nonceBase() > type(uint32).max - 64) return;
        uint256 base = purse.nonceBase();
        Purse changed = purse.useNonce(base + place);
        assert(changed.isUsed(base + place));
        if (other != place) assert(changed.isUsed(base + other) == purse.isUsed(base + other));
        _sameButNonces(purse, changed);
    }

    function check_useNonces(Purse purse, uint64 mask, uint8 place) external pure {
        if (place >= 64 || purse.nonceBase() > type(uint32).max - 64) return;
        uint256 nonce = purse.nonceBase() + place;
        Purse changed = purse.useNonces(mask);
        assert(changed.isUsed(nonce) == (purse.isUsed(nonce) || mask >> place & 1 != 0));
        _sameButNonces(purse, changed);
    }

    function _sameButNonces(Purse a, Purse b) private pure {
        _sameBelow(a, b, BASE);
        _sameAbove(a, b, OPEN);
        assert(b.nonceBase() >= a.nonceBase() && b.nonceBase() <= a.nonceBase() + 64);
    }

    function _sameBelow(Purse a, Purse b, uint256 bits) private pure {
        assert((Purse.unwrap(a) ^ Purse.unwrap(b)) << (256 - bits) == 0);
    }

    function _sameAbove(Purse a, Purse b, uint256 bits) private pure {
        assert((Purse.unwrap(a) ^ Purse.unwrap(b)) >> bits == 0);
    }
}

/// @notice As `PurseProof`, of a pledge.
contract PledgeProof {
    uint256 private constant LOCKED = 96;
    uint256 private constant SEAT = 192;
    uint256 private constant ACCEPTED = 224;
    uint256 private constant VOTES_WITH = 240;

    function check_add(Pledge pledge, uint96 amount) external pure {
        if (pledge.stake() + amount > type(uint96).max) return;
        _expect(pledge, pledge.add(amount), pledge.stake() + amount, pledge.locked());
    }

    function check_take(Pledge pledge, uint96 amount) external pure {
        if (!_hasFree(pledge, amount)) return;
        _expect(pledge, pledge.take(amount), pledge.stake() - amount, pledge.locked());
    }

    function check_lock(Pledge pledge, uint96 amount) external pure {
        if (!_hasFree(pledge, amount)) return;
        Pledge changed = pledge.lock(amount);
        _expect(pledge, changed, pledge.stake(), pledge.locked() + amount);
        assert(changed.locked() <= changed.stake());
    }

    function check_unlock(Pledge pledge, uint96 amount) external pure {
        if (pledge.locked() < amount) return;
        _expect(pledge, pledge.unlock(amount), pledge.stake(), pledge.locked() - amount);
    }

    function check_setTenuredSeat(Pledge pledge, uint32 number) external pure {
        Pledge changed = pledge.setTenuredSeat(number);
        assert(changed.tenuredSeat() == number);
        uint256 both = Pledge.unwrap(pledge) ^ Pledge.unwrap(changed);
        assert(both >> ACCEPTED == 0 && both << (256 - SEAT) == 0);
    }

    /// @dev Modulo 2^16.
    function check_countAccepted(Pledge pledge) external pure {
        Pledge changed = pledge.countAccepted();
        uint256 below = Pledge.unwrap(pledge) << (256 - ACCEPTED) >> (256 - ACCEPTED);
        uint256 accepted = uint16(pledge.accepted() + 1);
        assert(Pledge.unwrap(changed) == (below | accepted << ACCEPTED | pledge.votesWith() << VOTES_WITH));
    }

    /// @dev Modulo 2^16.
    function check_wonDelta(Pledge pledge, uint96 share, uint96 unlocked) external pure {
        if (pledge.stake() + share > type(uint96).max || pledge.locked() < unlocked) return;
        Pledge changed;
        unchecked {
            changed = Pledge.wrap(Pledge.unwrap(pledge) + Pledges.wonDelta(share, unlocked));
        }
        assert(changed.stake() == pledge.stake() + share && changed.locked() == pledge.locked() - unlocked);
        assert(changed.tenuredSeat() == pledge.tenuredSeat() && changed.accepted() == pledge.accepted());
        assert(changed.votesWith() == uint16(pledge.votesWith() + 1));
    }

    function _hasFree(Pledge pledge, uint256 amount) private pure returns (bool) {
        return pledge.locked() <= pledge.stake() && amount <= pledge.free();
    }

    /// @dev All but stake and locked is as it was.
    function _expect(Pledge pledge, Pledge changed, uint256 stake, uint256 locked) private pure {
        uint256 kept = Pledge.unwrap(pledge) >> SEAT << SEAT;
        assert(Pledge.unwrap(changed) == (stake | locked << LOCKED | kept));
    }
}

/// @notice As `PurseProof`, of a stage.
contract StageProof {
    function check_opened(uint8 lane, uint32 seats, uint40 asOf) external view {
        Stage stage = Stages.opened(lane, seats, asOf);
        assert(stage.phase() == Phase.Open && stage.since() == block.timestamp);
        assert(stage.lane() == lane && stage.seats() == seats && stage.asOf() == asOf);
        assert(stage.contestBlock() == 0 && stage.voters() == 0 && stage.ballots() == 0);
    }

    function check_enter(Stage stage, uint8 next) external view {
        if (next > uint8(type(Phase).max)) return;
        Stage changed = stage.enter(Phase(next));
        assert(uint8(changed.phase()) == next && changed.since() == block.timestamp);
        assert(Stage.unwrap(changed) >> 48 == Stage.unwrap(stage) >> 48);
    }

    function check_contested(Stage stage) external view {
        if (stage.contestBlock() != 0) return;
        Stage changed = stage.contested();
        assert(changed.phase() == Phase.Contested && changed.contestBlock() == block.number);
        assert(changed.lane() == stage.lane());
        assert(Stage.unwrap(changed) >> 96 == Stage.unwrap(stage) >> 96);
    }

    function check_validating(Stage stage) external view {
        Stage changed = stage.validating();
        assert(changed.phase() == Phase.Validating && changed.since() == block.timestamp);
        assert(changed.lane() == stage.lane() && changed.contestBlock() == stage.contestBlock());
        assert(Stage.unwrap(changed) >> 96 == 0);
    }

    function check_voted(Stage stage, uint8 index, uint8 other, bool accept) external pure {
        if (index >= 24 || other >= 24 || other == index || stage.hasVoted(index)) return;
        Stage changed = stage.voted(index, accept);
        assert(changed.hasVoted(index) && changed.hasVoted(other) == stage.hasVoted(other));
        uint256 bits = 1 << (168 + uint256(index));
        if (accept) bits |= 1 << (192 + uint256(index));
        assert(Stage.unwrap(changed) == Stage.unwrap(stage) | bits);
    }

    function check_count(uint24 bits) external pure {
        uint256 ones;
        for (uint256 i; i < 24; ++i) {
            ones += bits >> i & 1;
        }
        assert(Stages.count(bits) == ones);
    }
}
