// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {
    Account,
    History,
    IIDML,
    IRecords,
    Outcome,
    Phase,
    Progress,
    Release,
    Report,
    Seat,
    TaskParams,
    Terms,
    Vote
} from "../../src/interfaces/IIDML.sol";
import {Test} from "./Test.sol";

/// @notice IDMLToken as the tests see it.
interface IToken is IERC20, IERC20Permit {
    error ZeroAmount();
    error ZeroRate();

    event Bought(address indexed account, uint256 paid, uint256 minted);
    event Redeemed(address indexed account, uint256 burnt, uint256 paid);

    function RATE() external view returns (uint256);
    function buy() external payable;
    function redeem(uint256 amount) external;
    function burn(uint256 amount) external;
}

/// @notice An encounter on its way: what its callers bring along, and the fields of the packed stage.
/// @param voted Bit i set: committee[i] voted.
/// @param accepts Bit i set: committee[i] voted yes.
struct Encounter {
    bytes32 id;
    Terms terms;
    uint8 lane;
    Phase phase;
    uint40 since;
    uint40 contestBlock;
    uint24 voted;
    uint24 accepts;
    Progress progress;
}

/// @dev A task in one word: each field from the low end, first field first.
function packRules(TaskParams memory p) pure returns (uint256 word) {
    word = uint256(p.maxModelBytes) << 16 | p.validationImages;
    word = word << 8 | p.metric;
    word = word << 16 | p.toleranceBps;
    word = word << 32 | p.votingWindow_s;
    word = word << 32 | p.completionWindow_s;
    word = word << 8 | (p.tieAccepts ? 1 : 0);
    word = word << 8 | p.quorum;
    word = word << 8 | p.committeeSize;
    word = word << 8 | p.votes;
    word = word << 16 | p.rejectPotBps;
    word = word << 16 | p.noVoteBps;
    word = word << 16 | p.goodFaithBps;
    word = word << 16 | p.neighborShareBps;
}

/// @notice Deploys what ships; plays encounters and mirrors their progress.
abstract contract IDMLTest is Test {
    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant RATE = 1000;
    uint256 internal constant THRESHOLD = 100e18;
    uint256 internal constant DELAY = 7 days;
    uint96 internal constant REWARD = 10e18;
    uint256 internal constant STAKE = 200e18;
    uint256 internal constant BALANCE = 1000e18;
    uint256 internal constant COMPLETION = 3600;
    uint256 internal constant VOTING = 50_000;
    // What is settled from signatures has room for half a word of each secret.
    bytes32 internal constant LEARNER_SECRET = bytes32(bytes16(keccak256("the learner's secret")));
    bytes32 internal constant NEIGHBOR_SECRET = bytes32(bytes16(keccak256("the neighbor's secret")));
    bytes32 internal constant RESULT = keccak256("a model");
    bytes32 internal constant OTHER_RESULT = keccak256("another model");
    bytes internal constant NO_SIGNATURE = "";
    /// @dev What a lane holds between two encounters.
    bytes32 internal constant FREE = bytes32(uint256(1));

    IToken internal token;
    IIDML internal idml;
    bytes32 internal taskId;

    address internal learner;
    address internal neighbor;
    address[] internal validators;
    mapping(address => uint256) internal keys;

    function setUp() public virtual {
        vm.warp(START);
        token = IToken(vm.deployCode("IDMLToken.sol:IDMLToken", abi.encode(RATE)));
        idml = IIDML(vm.deployCode("IDML.sol:IDML", abi.encode(token, THRESHOLD, DELAY)));
        taskId = idml.createTask(params());
        learner = newStaked("learner");
        neighbor = newStaked("neighbor");
        for (uint256 i; i < 5; ++i) {
            validators.push(newStaked(string.concat("validator", string(abi.encodePacked(uint8(48 + i))))));
        }
        // Whoever was seated at START is active at START + 1.
        vm.warp(START + 1);
    }

    /* WHAT IS AGREED ON */

    function params() internal pure returns (TaskParams memory) {
        return TaskParams({
            neighborShareBps: 8000,
            goodFaithBps: 1000,
            noVoteBps: 7000,
            rejectPotBps: 4000,
            votes: 3,
            committeeSize: 3,
            quorum: 2,
            tieAccepts: true,
            completionWindow_s: uint32(COMPLETION),
            votingWindow_s: uint32(VOTING),
            toleranceBps: 500,
            metric: 0,
            validationImages: 200,
            maxModelBytes: 1 << 20
        });
    }

    /// @dev The same task with open voting.
    function openTask() internal returns (bytes32) {
        TaskParams memory changed = params();
        changed.committeeSize = 0;
        return idml.createTask(changed);
    }

    function terms() internal view returns (Terms memory) {
        return Terms({
            task: taskId,
            learner: learner,
            neighbor: neighbor,
            reward: REWARD,
            modelBefore: keccak256("the learner's model"),
            learnerCommitment: keccak256(abi.encode(LEARNER_SECRET)),
            neighborCommitment: keccak256(abi.encode(NEIGHBOR_SECRET)),
            seats: uint32(idml.seatCount()),
            asOf: uint40(block.timestamp),
            deadline: uint40(block.timestamp + COMPLETION),
            nonce: idml.account(learner).nonceBase
        });
    }

    /* WHO ACTS */

    function newActor(string memory name) internal returns (address who) {
        uint256 key = uint256(keccak256(bytes(name)));
        who = vm.addr(key);
        keys[who] = key;
        vm.label(who, name);
    }

    function newStaked(string memory name) internal returns (address who) {
        who = newActor(name);
        giveBalance(who, BALANCE + STAKE);
        vm.prank(who);
        idml.stake(STAKE);
    }

    /// @dev Gives tokens to a wallet and lets IDML take them.
    function giveTokens(address who, uint256 amount) internal {
        uint256 cost = (amount + RATE - 1) / RATE;
        vm.deal(who, cost);
        vm.prank(who);
        token.buy{value: cost}();
        vm.prank(who);
        token.approve(address(idml), type(uint256).max);
    }

    function giveBalance(address who, uint256 amount) internal {
        giveTokens(who, amount);
        vm.prank(who);
        idml.deposit(amount);
    }

    function sign(address who, bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[who], digest);
        return abi.encodePacked(r, s, v);
    }

    function signReport(Encounter memory e, address reporter, bytes32 result, bytes32 secret)
        internal
        view
        returns (bytes memory)
    {
        bytes32 previous = reporter == e.terms.neighbor ? bytes32(0) : neighborReport(e);
        return sign(reporter, idml.hashReport(Report(e.id, reporter, result, secret, previous)));
    }

    /// @dev The learner's signature on its Report of RESULT, to be brought together with the neighbor's.
    function signAgreement(Encounter memory e) internal view returns (bytes memory) {
        bytes32 first = idml.hashReport(Report(e.id, e.terms.neighbor, RESULT, NEIGHBOR_SECRET, 0));
        return sign(e.terms.learner, idml.hashReport(Report(e.id, e.terms.learner, RESULT, LEARNER_SECRET, first)));
    }

    /// @dev The hash of what the neighbor reported, which the learner signs.
    function neighborReport(Encounter memory e) internal view returns (bytes32) {
        return idml.hashReport(Report(e.id, e.terms.neighbor, e.progress.result, e.progress.neighborWord, 0));
    }

    function signVote(Encounter memory e, address validator, bool accept) internal view returns (bytes memory) {
        return sign(validator, idml.hashVote(Vote(e.id, validator, e.progress.learnerWord, e.progress.result, accept)));
    }

    /* WHAT HAPPENS: each step is brought by the test contract with signatures, and checked against the mirror */

    function opened() internal returns (Encounter memory) {
        return opened(terms());
    }

    function opened(Terms memory agreed) internal returns (Encounter memory e) {
        e = agreedOn(agreed);
        idml.open(agreed, e.lane, sign(agreed.learner, e.id), sign(agreed.neighbor, e.id));
        begin(e, Phase.Open);
    }

    function refuse(Encounter memory e) internal {
        vm.prank(e.terms.neighbor);
        idml.reject(e.progress);
        begin(e, Phase.Refused);
    }

    function reportAsNeighbor(Encounter memory e, bytes32 result) internal {
        address who = e.terms.neighbor;
        bytes memory signature = signReport(e, who, result, NEIGHBOR_SECRET);
        idml.reportFor(e.progress, who, result, NEIGHBOR_SECRET, signature);
        afterNeighbor(e, result);
    }

    function reportAsLearner(Encounter memory e, bytes32 result) internal {
        address who = e.terms.learner;
        bytes memory signature = signReport(e, who, result, LEARNER_SECRET);
        idml.reportFor(e.progress, who, result, LEARNER_SECRET, signature);
        afterLearner(e, result);
    }

    function reportBoth(Encounter memory e) internal {
        bytes memory signature = signReport(e, e.terms.neighbor, RESULT, NEIGHBOR_SECRET);
        vm.prank(e.terms.learner);
        idml.reportBoth(e.progress, RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, signature, NO_SIGNATURE);
        e.progress.result = RESULT;
        afterBoth(e, keccak256(abi.encode(LEARNER_SECRET, NEIGHBOR_SECRET)));
    }

    function validating() internal returns (Encounter memory) {
        return validating(terms());
    }

    function validating(Terms memory agreed) internal returns (Encounter memory e) {
        e = opened(agreed);
        reportAsNeighbor(e, RESULT);
        reportAsLearner(e, RESULT);
    }

    function contest(Encounter memory e) internal {
        vm.prank(e.terms.neighbor);
        idml.contest(e.progress);
        e.contestBlock = uint40(block.number);
        begin(e, Phase.Contested);
    }

    function draw(Encounter memory e) internal {
        bytes32 blockHash = blockhash(e.contestBlock + 2);
        idml.draw(e.progress);
        afterBoth(e, keccak256(abi.encode(e.progress.neighborWord, blockHash)));
    }

    function vote(Encounter memory e, address validator, bool accept) internal {
        idml.voteFor(e.progress, validator, accept, signVote(e, validator, accept));
        addBallot(e, validator, accept);
        bool over = votersOf(e).length == votesToSettle(e);
        assertEq(stateOf(e), over ? FREE : hash(e.progress), "state after a vote");
        if (over) e.phase = Phase.None;
    }

    /// @dev V, or all of a committee that is smaller.
    function votesToSettle(Encounter memory e) internal view returns (uint256) {
        TaskParams memory p = idml.task(e.terms.task);
        uint256 members = e.progress.committee.length;
        return p.committeeSize > 0 && members < p.votes ? members : p.votes;
    }

    function finalize(Encounter memory e) internal {
        idml.finalize(e.progress);
        assertEq(stateOf(e), FREE, "state after the end");
        e.phase = Phase.None;
    }

    /* THE MIRROR */

    /// @dev The encounter as it will be opened, in the first free lane.
    function agreedOn(Terms memory agreed) internal view returns (Encounter memory e) {
        e.terms = agreed;
        e.id = idml.hashTerms(agreed);
        while (uint256(idml.stateHash(agreed.learner, e.lane)) > 1) {
            ++e.lane;
        }
        e.progress.encounter = e.id;
        e.progress.learner = agreed.learner;
        e.progress.neighbor = agreed.neighbor;
        e.progress.reward = agreed.reward;
        e.progress.rules = packRules(idml.task(agreed.task));
        e.progress.learnerWord = agreed.learnerCommitment;
        e.progress.neighborWord = agreed.neighborCommitment;
    }

    function afterNeighbor(Encounter memory e, bytes32 result) internal view {
        e.progress.result = result;
        e.progress.neighborWord = NEIGHBOR_SECRET;
        begin(e, Phase.Reported);
    }

    function afterLearner(Encounter memory e, bytes32 result) internal view {
        if (result != e.progress.result) return begin(e, Phase.Disputed);
        afterBoth(e, keccak256(abi.encode(LEARNER_SECRET, e.progress.neighborWord)));
    }

    /// @dev A committee below the quorum ends it.
    function afterBoth(Encounter memory e, bytes32 seed) internal view {
        TaskParams memory p = idml.task(e.terms.task);
        e.progress.learnerWord = seed;
        e.progress.neighborWord = 0;
        e.progress.committee = idml.committeeOf(e.terms, seed);
        if (p.committeeSize == 0 || e.progress.committee.length >= p.quorum) return begin(e, Phase.Validating);
        e.phase = Phase.None;
        assertEq(stateOf(e), FREE, "state without a committee");
    }

    function begin(Encounter memory e, Phase phase) internal view {
        e.phase = phase;
        e.since = uint40(block.timestamp);
        pack(e);
        assertEq(stateOf(e), hash(e.progress), "state after a step");
    }

    /// @dev As the library `Stages` describes it.
    function pack(Encounter memory e) internal pure {
        uint256 word = uint256(e.phase) | uint256(e.since) << 8 | uint256(e.lane) << 48 | uint256(e.contestBlock) << 56;
        if (e.phase != Phase.Validating) word |= uint256(e.terms.seats) << 96 | uint256(e.terms.asOf) << 128;
        e.progress.stage = word | uint256(e.voted) << 168 | uint256(e.accepts) << 192;
    }

    function addBallot(Encounter memory e, address validator, bool accept) internal pure {
        uint256 place;
        address[] memory committee = e.progress.committee;
        while (place < committee.length && committee[place] != validator) {
            ++place;
        }
        if (place == committee.length) {
            address[] memory longer = new address[](place + 1);
            for (uint256 i; i < place; ++i) {
                longer[i] = committee[i];
            }
            longer[place] = validator;
            e.progress.committee = longer;
        }
        e.voted |= uint24(1 << place);
        if (accept) e.accepts |= uint24(1 << place);
        pack(e);
    }

    /// @dev Who voted, in the order of the committee.
    function votersOf(Encounter memory e) internal pure returns (address[] memory voters) {
        address[] memory committee = e.progress.committee;
        uint256 count;
        for (uint256 i; i < committee.length; ++i) {
            count += e.voted >> i & 1;
        }
        voters = new address[](count);
        for (uint256 i = committee.length; i > 0; --i) {
            if (e.voted >> (i - 1) & 1 == 1) voters[--count] = committee[i - 1];
        }
    }

    function stateOf(Encounter memory e) internal view returns (bytes32) {
        return idml.stateHash(e.terms.learner, e.lane);
    }

    /* HELPERS */

    function hash(Progress memory progress) internal pure returns (bytes32) {
        return keccak256(abi.encode(progress));
    }

    function nextBlocks(uint256 count) internal {
        vm.roll(block.number + count);
    }

    function isIn(address[] memory list, address who) internal pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == who) return true;
        }
        return false;
    }

    function expectMoney(address who, uint256 balance, uint256 pledged) internal view {
        assertEq(balanceOf(who), balance, "balance");
        assertEq(stakeOf(who), pledged, "stake");
        assertEq(lockedOf(who), 0, "locked");
    }

    function expectHistory(address who, History memory expected) internal view {
        assertEq(keccak256(abi.encode(idml.history(who))), keccak256(abi.encode(expected)), "history");
    }

    function balanceOf(address who) internal view returns (uint256) {
        return idml.account(who).balance;
    }

    function stakeOf(address who) internal view returns (uint256) {
        return idml.account(who).stake;
    }

    function lockedOf(address who) internal view returns (uint256) {
        return idml.account(who).locked;
    }

    function setTarget(address who, uint256 target) internal {
        vm.prank(who);
        idml.setTarget(uint96(target));
    }

    function unstake(address who, uint256 amount) internal {
        vm.prank(who);
        idml.requestUnstake(amount);
    }

    function setBudget(address who, uint256 rewardMax, uint256 nonces) internal {
        vm.prank(who);
        idml.setBudget(uint96(rewardMax), uint8(nonces));
    }

    function tokensOf(address who) internal view returns (uint256) {
        Account memory a = idml.account(who);
        return uint256(a.balance) + a.stake + a.unbonding;
    }

    /// @dev The next call reverts with this error.
    function expect(bytes4 selector) internal {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function expect(bytes4 selector, address who) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, who));
    }

    function expect(bytes4 selector, address who, uint256 number) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, who, number));
    }

    function expect(bytes4 selector, address who, uint256 available, uint256 needed) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, who, available, needed));
    }

    function expect(bytes4 selector, bytes32 id) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, id));
    }

    function expect(bytes4 selector, bytes32 id, uint256 number) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, id, number));
    }
}
