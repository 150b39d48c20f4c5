// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {
    Account,
    History,
    IIDML,
    Outcome,
    Phase,
    Progress,
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

/// @notice An encounter on its way: what its callers bring along.
struct Encounter {
    bytes32 id;
    Terms terms;
    Progress progress;
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
    bytes32 internal constant LEARNER_SECRET = keccak256("the learner's secret");
    bytes32 internal constant NEIGHBOR_SECRET = keccak256("the neighbor's secret");
    bytes32 internal constant RESULT = keccak256("a model");
    bytes32 internal constant OTHER_RESULT = keccak256("another model");
    bytes internal constant NO_SIGNATURE = "";

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
        return sign(reporter, idml.hashReport(Report(e.id, reporter, result, secret, e.progress.neighborReport)));
    }

    function signVote(Encounter memory e, address validator, bool accept) internal view returns (bytes memory) {
        return sign(validator, idml.hashVote(Vote(e.id, validator, e.progress.seed, e.progress.result, accept)));
    }

    /* WHAT HAPPENS: each step is brought by the test contract with signatures, and checked against the mirror */

    function opened() internal returns (Encounter memory) {
        return opened(terms());
    }

    function opened(Terms memory agreed) internal returns (Encounter memory e) {
        e.terms = agreed;
        e.id = idml.hashTerms(agreed);
        idml.open(agreed, sign(agreed.learner, e.id), sign(agreed.neighbor, e.id));
        begin(e, Phase.Open);
    }

    function refuse(Encounter memory e) internal {
        vm.prank(e.terms.neighbor);
        idml.reject(e.terms, e.progress);
        begin(e, Phase.Refused);
    }

    function reportAsNeighbor(Encounter memory e, bytes32 result) internal {
        address who = e.terms.neighbor;
        bytes memory signature = signReport(e, who, result, NEIGHBOR_SECRET);
        idml.report(e.terms, e.progress, who, result, NEIGHBOR_SECRET, signature);
        afterNeighbor(e, result);
    }

    function reportAsLearner(Encounter memory e, bytes32 result) internal {
        address who = e.terms.learner;
        bytes memory signature = signReport(e, who, result, LEARNER_SECRET);
        idml.report(e.terms, e.progress, who, result, LEARNER_SECRET, signature);
        afterLearner(e, result);
    }

    function validating() internal returns (Encounter memory) {
        return validating(terms());
    }

    function validating(Terms memory agreed) internal returns (Encounter memory e) {
        e = opened(agreed);
        reportAsNeighbor(e, RESULT);
        reportAsLearner(e, RESULT);
    }

    function vote(Encounter memory e, address validator, bool accept) internal {
        idml.vote(e.terms, e.progress, validator, accept, signVote(e, validator, accept));
        addBallot(e.progress, validator, accept);
        bool over = e.progress.voters.length == votesToSettle(e);
        assertEq(idml.stateHash(e.id), over ? bytes32(0) : hash(e.progress), "state after a vote");
    }

    /// @dev V, or all of a committee that is smaller.
    function votesToSettle(Encounter memory e) internal view returns (uint256) {
        TaskParams memory p = idml.task(e.terms.task);
        uint256 members = e.progress.committee.length;
        return p.committeeSize > 0 && members < p.votes ? members : p.votes;
    }

    function finalize(Encounter memory e) internal {
        idml.finalize(e.terms, e.progress);
        assertEq(idml.stateHash(e.id), 0, "state after the end");
    }

    /* THE MIRROR */

    function afterNeighbor(Encounter memory e, bytes32 result) internal view {
        e.progress.result = result;
        e.progress.neighborReport = idml.hashReport(Report(e.id, e.terms.neighbor, result, NEIGHBOR_SECRET, 0));
        e.progress.neighborSecret = NEIGHBOR_SECRET;
        begin(e, Phase.Reported);
    }

    function afterLearner(Encounter memory e, bytes32 result) internal view {
        if (result != e.progress.result) return begin(e, Phase.Disputed);
        e.progress.seed = keccak256(abi.encode(LEARNER_SECRET, e.progress.neighborSecret));
        e.progress.neighborReport = 0;
        e.progress.neighborSecret = 0;
        e.progress.committee = idml.committeeOf(e.terms, e.progress.seed);
        begin(e, Phase.Validating);
    }

    function begin(Encounter memory e, Phase phase) internal view {
        e.progress.phase = phase;
        e.progress.since = uint40(block.timestamp);
        assertEq(idml.stateHash(e.id), hash(e.progress), "state after a step");
    }

    /* HELPERS */

    function hash(Progress memory progress) internal pure returns (bytes32) {
        return keccak256(abi.encode(progress));
    }

    function addBallot(Progress memory progress, address validator, bool accept) internal pure {
        uint256 count = progress.voters.length;
        address[] memory voters = new address[](count + 1);
        for (uint256 i; i < count; ++i) {
            voters[i] = progress.voters[i];
        }
        voters[count] = validator;
        progress.voters = voters;
        if (accept) progress.ballots |= 1 << count;
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
