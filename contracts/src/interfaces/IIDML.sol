// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @notice An account of one participant. Amounts are in base units of the token (18 decimals).
/// @param balance Free tokens: pay for encounters; what no budget covers can be withdrawn at any time.
/// @param stake The pledge, `locked` included, and earnings as far as a lock holds them. At least the stake threshold to act as neighbor or validator.
/// @param locked The part of the stake that open encounters may still take as a penalty.
/// @param target Rewards go to the stake while it is below this amount, else to the balance.
/// @param unbonding What left the stake and waits for `releaseAt`.
/// @param releaseAt When the unbonding amount may be moved to the balance, in seconds.
/// @param nonceBase The lowest nonce that may still be used as a learner.
/// @param nonceWindow Bit i set: nonce `nonceBase + i` is used. Nonces may be used in any order inside the window.
/// @param seat One more than the index of the participant's seat; 0 while it has none.
/// @param seatFrom The earliest time at which the participant may take a seat again, in seconds.
/// @param budgetReward The most that an encounter settled by signatures alone may cost the participant as a learner.
/// @param budgetNonces How many nonces from `nonceBase` on the balance covers at that price; 0: no budget.
struct Account {
    uint96 balance;
    uint96 stake;
    uint96 locked;
    uint96 target;
    uint96 unbonding;
    uint40 releaseAt;
    uint32 nonceBase;
    uint64 nonceWindow;
    uint32 seat;
    uint40 seatFrom;
    uint96 budgetReward;
    uint8 budgetNonces;
}

/// @notice What a participant has done so far. Every counter only grows.
struct History {
    uint32 completedAsLearner;
    uint32 incompleteAsLearner;
    uint32 completedAsNeighbor;
    uint32 incompleteAsNeighbor;
    uint32 accepted;
    uint32 rejected;
    uint32 votesWith;
    uint32 votesAgainst;
}

/// @notice A lower budget and nonces to retire, waiting for `releaseAt`.
/// @param rewardMax In units of 2^48 base units of the token.
/// @param retired Bit i set: nonce `nonceBase + i` is to be used up.
struct Release {
    uint48 rewardMax;
    uint8 nonces;
    uint32 nonceBase;
    uint64 retired;
    uint40 releaseAt;
}

/// @notice A place in the table from which committees are drawn. Active at `asOf` iff activeFrom < asOf <= inactiveFrom.
struct Seat {
    address member;
    uint32 createdAt;
    uint32 activeFrom;
    uint32 inactiveFrom;
}

/// @notice The immutable rules of a task; its id is `keccak256(abi.encode(params))`.
/// @param neighborShareBps The neighbor's share of the reward, in basis points; validators share the rest.
/// @param goodFaithBps What a neighbor that reported gets of the reward when the encounter ends incomplete.
/// @param noVoteBps What the neighbor gets of the reward when too few voted; the rest is burnt.
/// @param rejectPotBps The share of a rejected neighbor's penalty that validators get; the rest is burnt.
/// @param votes Votes that settle an encounter (V).
/// @param committeeSize Members drawn to vote (K >= V), or 0: anyone staked may vote.
/// @param quorum The least votes that decide anything; fewer settle as case 1.
/// @param tieAccepts Whether as many yes as no votes accept the contribution.
/// @param completionWindow_s Time for each report, and for a refusal or a dispute to become final, in seconds.
/// @param votingWindow_s Time for the votes, in seconds.
/// @param toleranceBps By how much the metric may fall for a yes, in basis points. Read by validators, not by the contract.
/// @param metric Which validation rule is used (0: accuracy). Read by validators, not by the contract.
/// @param validationImages Samples a validator scores. Read by validators, not by the contract.
/// @param maxModelBytes The largest model a party must accept. Read by the parties, not by the contract.
struct TaskParams {
    uint16 neighborShareBps;
    uint16 goodFaithBps;
    uint16 noVoteBps;
    uint16 rejectPotBps;
    uint8 votes;
    uint8 committeeSize;
    uint8 quorum;
    bool tieAccepts;
    uint32 completionWindow_s;
    uint32 votingWindow_s;
    uint16 toleranceBps;
    uint8 metric;
    uint16 validationImages;
    uint32 maxModelBytes;
}

/// @notice What learner and neighbor agree on and sign before they collaborate. The encounter's id is its EIP-712 hash.
/// @param task The task whose rules apply.
/// @param reward What the learner pays and the neighbor risks, in base units of the token.
/// @param modelBefore Digest of the learner's model before the encounter.
/// @param learnerCommitment keccak256 of the learner's secret.
/// @param neighborCommitment keccak256 of the neighbor's secret.
/// @param seats Length of the seat table at `asOf`.
/// @param asOf The moment whose seats may be drawn, in seconds; not in the future, at most one completion window before `deadline`.
/// @param deadline The last moment to open, in seconds.
/// @param nonce The learner's nonce, used once.
struct Terms {
    bytes32 task;
    address learner;
    address neighbor;
    uint96 reward;
    bytes32 modelBefore;
    bytes32 learnerCommitment;
    bytes32 neighborCommitment;
    uint32 seats;
    uint40 asOf;
    uint40 deadline;
    uint64 nonce;
}

/// @notice A party's statement of what the collaboration produced.
/// @param result SHA-256 of the canonical bytes of the model that validators judge (or from which they compute it).
/// @param secret The preimage of the reporter's commitment.
/// @param previous In the learner's report the EIP-712 hash of the neighbor's; zero in the neighbor's.
struct Report {
    bytes32 encounter;
    address reporter;
    bytes32 result;
    bytes32 secret;
    bytes32 previous;
}

/// @notice A validator's verdict on one encounter.
struct Vote {
    bytes32 encounter;
    address validator;
    bytes32 seed;
    bytes32 result;
    bool accept;
}

/// @notice Where an opened encounter stands. `None`: never opened, or over.
enum Phase {
    None,
    Open,
    Refused,
    Reported,
    Disputed,
    Contested,
    Validating
}

/// @notice All that is still needed to go on with an open encounter. The contract stores only its hash; whoever calls
/// brings it along. It can be rebuilt from the events, and each transition is also written down in
/// `idml.protocol.encounter`.
/// @param encounter The id: the EIP-712 hash of the Terms.
/// @param rules The task, as the library `Rules` packs it.
/// @param stage Where the encounter stands, since when, and who voted what, as the library `Stages` packs it.
/// @param learnerWord The learner's commitment; from validation on the committee's seed.
/// @param neighborWord The neighbor's commitment; its secret once it reported; zero from validation on.
/// @param result The neighbor's reported digest; zero before it reported.
/// @param committee Who may vote, in the order drawn, empty before validation; where anyone staked may vote, who voted.
struct Progress {
    bytes32 encounter;
    address learner;
    address neighbor;
    uint96 reward;
    uint256 rules;
    uint256 stage;
    bytes32 learnerWord;
    bytes32 neighborWord;
    bytes32 result;
    address[] committee;
}

/// @notice How an encounter that was never judged ended.
enum Outcome {
    Rejected,
    Incomplete
}

/// @title IRecords
/// @notice What can go wrong, and what is written down.
interface IRecords {
    /* ERRORS */

    error ZeroAmount();
    error InsufficientBalance(address account, uint256 available, uint256 needed);
    error InsufficientStake(address account, uint256 available, uint256 needed);
    error NothingUnbonding(address account);
    error StillUnbonding(address account, uint256 releaseAt);
    error AlreadySeated(address account);
    error SeatCooling(address account, uint256 until);
    error InvalidTask(string parameter, uint256 value);
    error UnknownTask(bytes32 task);
    error SelfDealing(address account);
    error DeadlinePassed(uint256 deadline);
    error InvalidAsOf(uint256 asOf, uint256 deadline);
    error InvalidSeats(uint256 seats, uint256 seatCount);
    error NonceUsed(address learner, uint256 nonce);
    error NonceOutOfWindow(address learner, uint256 nonce, uint256 base);
    error InvalidSignature(address signer);
    error NotAParty(address account);
    error StateMismatch(bytes32 encounter);
    error WrongPhase(bytes32 encounter, Phase phase);
    error TooLate(bytes32 encounter, uint256 due);
    error TooEarly(bytes32 encounter, uint256 due);
    error WrongSecret(address account);
    error NotInCommittee(address account);
    error AlreadyVoted(address account);
    error LaneBusy(address learner, uint256 lane);
    error BudgetOnlyRises(uint256 rewardMax, uint256 nonces);
    error BudgetTooLarge(uint256 rewardMax, uint256 nonces);
    error RewardAboveBudget(address learner, uint256 rewardMax);
    error NothingToRelease(address account);
    error NoCommittee(bytes32 task);
    error CommitteeShort(uint256 found, uint256 needed);
    error SeedUnknown(bytes32 encounter, uint256 blockNumber);
    error PartiesUnordered(uint256 index);
    error BatchMalformed(uint256 encounters, uint256 signatures);
    error NothingSettled(bytes4 reason);
    error NoOffence();
    error AlreadyPunished(bytes32 offence);

    /* EVENTS: every state change can be rebuilt from them and the pure settlement function */

    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event Staked(address indexed account, uint256 amount);
    event UnstakeRequested(address indexed account, uint256 amount, uint256 releaseAt);
    event Unstaked(address indexed account, uint256 amount);
    event TargetSet(address indexed account, uint256 target);
    event SeatTaken(uint256 indexed seat, address indexed account, uint256 activeFrom);
    event SeatLeft(uint256 indexed seat, address indexed account, uint256 inactiveFrom);
    event TaskCreated(bytes32 indexed task, TaskParams params);
    event Opened(bytes32 indexed encounter, address indexed learner, address indexed neighbor, uint8 lane, Terms terms);
    event Refused(bytes32 indexed encounter);
    event Reported(bytes32 indexed encounter, address indexed reporter, bytes32 result, bytes32 secret);
    event Disputed(bytes32 indexed encounter);
    event ValidationStarted(bytes32 indexed encounter, bytes32 secret, address[] committee);
    event Voted(bytes32 indexed encounter, address indexed validator, bool accept);
    event Settled(bytes32 indexed encounter, uint8 caseNumber, uint8 votesFor, uint8 votesAgainst);
    event Ended(bytes32 indexed encounter, Outcome outcome, uint256 goodFaithPaid);
    event Contested(bytes32 indexed encounter, uint256 blockNumber);
    event BudgetSet(address indexed account, uint256 rewardMax, uint256 nonces);
    event ReleaseRequested(
        address indexed account, uint256 rewardMax, uint256 nonces, uint256 nonceBase, uint64 retired, uint256 releaseAt
    );
    event Released(address indexed account);
    event BatchSettled(
        bytes32 indexed task, bool indexed cosigned, uint256 settled, address[] parties, bytes32[] encounters
    );
    // No topics, as they cost more than data; a batch has none for its parties either.
    // slither-disable-next-line unindexed-event-address
    event VoucherSettled(bytes32 task, address learner, address neighbor, bytes32[4] encounter);
    event Skipped(uint256 index, bytes4 reason);
    event Equivocated(address indexed learner, uint256 indexed nonce, uint256 burnt);
    event DoubleVoted(address indexed validator, bytes32 indexed encounter, uint256 burnt);
    event Flushed(uint256 amount);
}

/// @title IDesk
/// @notice What participants do with their own money, tasks, offences, and what there is to look up.
interface IDesk is IRecords {
    /* ACCOUNTS */

    /// @notice Moves tokens from the caller's wallet to its free balance; needs an ERC-20 allowance.
    function deposit(uint256 amount) external;

    /// @notice As `deposit`, with the allowance given by an EIP-2612 signature.
    /// @dev A permit that was already used (front-run) does no harm as long as the allowance is there.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Moves tokens from the caller's free balance to its wallet.
    function withdraw(uint256 amount) external;

    /// @notice Moves tokens from the caller's free balance to its stake; takes a seat if the stake reaches the
    /// threshold, the caller has none and may take one.
    function stake(uint256 amount) external;

    /// @notice Moves free stake to unbonding; gives up the seat if the stake falls below the threshold.
    /// @dev Warning: a second request restarts the delay for all that is unbonding.
    function requestUnstake(uint256 amount) external;

    /// @notice Moves what has finished unbonding to the caller's free balance.
    function completeUnstake() external;

    /// @notice Sets up to which amount rewards go to the caller's stake.
    function setTarget(uint96 target) external;

    /// @notice Raises the caller's budget, from which encounters settled by signatures alone are paid: the balance must
    /// cover `rewardMax` for each unused nonce of the next `nonces`, and that part of it stays. Takes back a release that
    /// waits.
    /// @param rewardMax Rounded up to a multiple of 2^48 base units.
    /// @param nonces At most 64.
    function setBudget(uint96 rewardMax, uint8 nonces) external;

    /// @notice Asks to lower the budget and to retire nonces that will not be used, one unbonding delay later: no
    /// encounter that was agreed on before can still be settled by signatures then.
    /// @dev Warning: replaces an earlier request that is not completed.
    /// @param retired Bit i set: nonce `nonceBase + i` as of now is to be used up.
    function requestRelease(uint96 rewardMax, uint8 nonces, uint64 retired) external;

    /// @notice Does what `requestRelease` asked for.
    function completeRelease() external;

    /// @notice Takes a seat for the caller, whose stake reaches the threshold and whose last seat cooled down.
    function takeSeat() external;

    /// @notice Burns what account 0 holds. Anyone may call.
    function flush() external;

    /* TASKS */

    /// @notice Registers a task; does nothing if it exists. Anyone may call.
    /// @return task keccak256(abi.encode(params))
    function createTask(TaskParams calldata params) external returns (bytes32 task);

    /* OFFENCES */

    /// @notice Punishes a learner that signed two Terms with one nonce. Burns the most that its budget grants for one
    /// encounter, from that nonce's cover if it is unused (and uses it up), else from free balance and stake.
    function proveEquivocation(
        Terms calldata a,
        bytes calldata signatureOnA,
        Terms calldata b,
        bytes calldata signatureOnB
    ) external;

    /// @notice Punishes a validator that signed two different Votes under one seed: burns what a vote locks.
    function proveDoubleVote(
        Terms calldata terms,
        Vote calldata a,
        bytes calldata signatureOnA,
        Vote calldata b,
        bytes calldata signatureOnB
    ) external;

    /* VIEWS */

    function token() external view returns (address);
    function stakeThreshold() external view returns (uint256);
    function unbondingDelay() external view returns (uint256);
    function account(address who) external view returns (Account memory);
    function history(address who) external view returns (History memory);
    function seatCount() external view returns (uint256);
    function seat(uint256 index) external view returns (Seat memory);
    function task(bytes32 id) external view returns (TaskParams memory);

    /// @notice What a participant asked for by `requestRelease`; `releaseAt` is 0 if nothing waits.
    function pendingRelease(address who) external view returns (Release memory);
    function hashTerms(Terms calldata terms) external view returns (bytes32);
    function hashReport(Report calldata statement) external view returns (bytes32);
    function hashVote(Vote calldata statement) external view returns (bytes32);
}

/// @title IEncounters
/// @notice Encounters that are opened and go on step by step.
interface IEncounters is IRecords {
    /* ENCOUNTERS */

    /// @notice Opens an encounter: takes the reward from the learner's balance, locks as much of the neighbor's stake.
    /// @param lane Any of 0 to 63 in which the learner has no encounter open; one that was used before costs less. Or
    /// 64 + nonce % 64, which no encounter with another nonce that is in reach can keep busy.
    /// @param learnerSignature On the Terms; may be empty if the learner calls and has no budget.
    /// @param neighborSignature On the Terms; may be empty if the neighbor calls.
    function open(Terms calldata terms, uint8 lane, bytes calldata learnerSignature, bytes calldata neighborSignature)
        external
        returns (bytes32 encounter);

    /// @notice The neighbor refuses to collaborate; everything returns one completion window later, unless a report
    /// that it signed is brought meanwhile.
    function reject(Progress calldata progress) external;

    /// @notice The caller reports: the neighbor first, then the learner, which starts the validation or, if it names
    /// another result, a dispute. A committee that falls short of the quorum ends the encounter as incomplete.
    function report(Progress calldata progress, bytes32 result, bytes32 secret) external;

    /// @notice As `report`, brought by anyone.
    /// @param signature On the Report.
    function reportFor(
        Progress calldata progress,
        address reporter,
        bytes32 result,
        bytes32 secret,
        bytes calldata signature
    ) external;

    /// @notice Brings both reports, which agree; whatever the parties reported otherwise meanwhile counts no more, until
    /// the neighbor contests.
    /// @param neighborSignature On the neighbor's Report, handed over with its result.
    /// @param learnerSignature On the learner's Report; may be empty if the learner calls.
    function reportBoth(
        Progress calldata progress,
        bytes32 result,
        bytes32 neighborSecret,
        bytes32 learnerSecret,
        bytes calldata neighborSignature,
        bytes calldata learnerSignature
    ) external;

    /// @notice The neighbor, whose learner is silent or denies, appeals to a committee that neither party can foresee.
    /// Only where there are committees, within one completion window after the learner's, or after the dispute began.
    function contest(Progress calldata progress) external;

    /// @notice Draws the committee of a contested encounter, from the hash of the second block after the contest's.
    /// Anyone may call, in the 256 blocks after that.
    function draw(Progress calldata progress) external;

    /// @notice The caller votes and its possible penalty is locked; the V-th vote, or the last of a committee that is
    /// short, settles the encounter.
    function vote(Progress calldata progress, bool accept) external;

    /// @notice As `vote`, brought by anyone.
    /// @param signature On the Vote.
    function voteFor(Progress calldata progress, address validator, bool accept, bytes calldata signature) external;

    /// @notice Ends an encounter whose time is over, by the votes cast or as rejected or incomplete. Anyone may call.
    function finalize(Progress calldata progress) external;

    /* VIEWS */

    /// @notice keccak256(abi.encode(progress)) of the encounter that is open in a learner's lane; 0 or 1 if none is.
    function stateHash(address learner, uint8 lane) external view returns (bytes32);

    /// @notice The committee that Terms and seed determine: the first K distinct seats of
    /// `keccak256(abi.encode(seed, j)) % terms.seats`, j = 0..63, skipping both parties and seats not active at `asOf`.
    function committeeOf(Terms calldata terms, bytes32 seed) external view returns (address[] memory);
}

/// @title IBatches
/// @notice Encounters that are settled from signatures alone.
interface IBatches is IRecords {
    /* MANY ENCOUNTERS IN ONE TRANSACTION, NONE OF THEM OPENED BEFORE */

    /// @notice Settles one encounter from the signatures of those who took part. Reverts if it fails. Only for parties
    /// that sign with keys.
    /// @param encounter Four words, as the library `Vouchers` packs them; indices are not read.
    /// @param signatures As in `settleBatch`.
    function settle(
        bytes32 task,
        address learner,
        address neighbor,
        bytes32[4] calldata encounter,
        bytes32[] calldata signatures
    ) external;

    /// @notice Settles encounters from the signatures of those who took part. An encounter that fails is skipped with
    /// an event; if all fail, the call reverts with the reason of the first.
    /// @dev Four words for each encounter and a byte for each voter, as the library `Vouchers` packs them. Each needs the
    /// votes of the first V members of its committee. The learner's budget pays.
    /// @param parties All learners, neighbors and voters, at most 256, addresses ascending.
    /// @param signatures Two words (EIP-2098) for each: the neighbor's Report, the learner's Report, the V Votes in
    /// the order of the committee. An ERC-1271 wallet gives zero and an index into `walletSignatures`.
    function settleBatch(
        bytes32 task,
        address[] calldata parties,
        bytes32[] calldata encounters,
        bytes32[] calldata signatures,
        bytes[] calldata walletSignatures
    ) external;

    /// @notice As `settleBatch`, with one signature of each party on the Batch as a whole, in the order of `parties`.
    function settleCosigned(
        bytes32 task,
        address[] calldata parties,
        bytes32[] calldata encounters,
        bytes32[] calldata signatures,
        bytes[] calldata walletSignatures
    ) external;
}

/// @title IIDML
/// @notice The whole face of iDML's contract: it holds the money of all participants, keeps the record of every
/// encounter and settles it by vote. No owner, no upgrade, no pause.
/// @dev An encounter is settled step by step, or from signatures in one transaction; all ways pay by the same rules.
/// @dev Times are `block.timestamp` seconds. Parties act while `t <= due`; timeouts act at `t > due`.
/// `finalize` never reverts once an encounter is due: everything it may take was locked before.
interface IIDML is IDesk, IEncounters, IBatches {}
