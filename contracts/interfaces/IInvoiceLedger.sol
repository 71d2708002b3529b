// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITaxpayerRegistry, Signature} from "./ITaxpayerRegistry.sol";

/// @title One invoice, reimbursed once
/// @notice Issuers seal invoices by the lot; holders transfer and claim them; employers reimburse or reject, and mark what they
/// have entered in their books; issuers reverse, wholly or in part. An employer admits what was issued elsewhere.
/// Every act is an EIP-712 message of the party itself (contracts/libraries/Messages.sol); whoever sends the transaction has
/// no authority. Lots and acts are each tried by themselves: a refused one emits its reason and leaves its neighbours alone;
/// inside one act all invoices go or none does.
///
/// | from | act | signed by | to |
/// | --- | --- | --- | --- |
/// | (number free) | seal | issuer | Issued |
/// | Issued | transfer | holder and receiver | Issued |
/// | Issued | claim | holder | Claimed |
/// | Claimed | reimburse | employer | Reimbursed |
/// | Claimed | reject | employer | Issued |
/// | Claimed | withdraw, after the claim term | holder | Issued |
/// | Issued, not entered | reverse | issuer | Reversed |
/// | Claimed, Reimbursed, or entered | reverse | issuer and employer | Reversed |
/// | Issued, not entered | adjust | issuer | as it was |
/// | Claimed, Reimbursed, or entered | adjust | issuer and employer | as it was |
/// | (external id free), Issued | admit | employer | Claimed |
///
/// Beside the state, an invoice has the mark of book entry, which stays through every state:
///
/// | from mark | act | signed by | in state | to mark |
/// | --- | --- | --- | --- | --- |
/// | 1 not entered, 6 revoked | enter 2 (deductible) or 3 (not deductible) | employer | titled: Issued, Claimed, Reimbursed; untitled: Reimbursed | 2, 3 |
/// | 2, 3 | enter 6 (revoke) | employer | any | 6 |
///
/// `Entered` means mark 2 or 3. An entered invoice's employer does not change any more: a titled one is bound to its buyer, an
/// untitled one is entered after its reimbursement alone. Adjust and enter leave state and `updatedAt` as they are, so that
/// neither moves the claim term.
///
/// An external id has its top bit set and stands for an invoice that no lot of this ledger holds: a hash of the seller's tax id
/// and the number it has where it was issued. Of such an invoice the ledger knows nothing but that it is claimed and
/// reimbursed once here. After its admission every act but adjust and reverse, which need a lot, is open to it.
///
/// Checks come in this order: version, evidence, signature, then the party's standing, state, title, and the other side. So
/// only an act that its party signed on the invoice's current version can raise an alarm: nobody is blamed by junk for what
/// it has not signed. A refusal changes nothing, so whoever relays a refused act again has its alarm emitted again: attempts
/// are to be counted by party, kind, invoice, version and counterparty, not by events. Of two acts signed on one version the
/// later one is stale, and raises no alarm.
interface IInvoiceLedger {
    /// None is said of a number that no act has touched; whether it is issued is a matter of proof (see `Evidence`).
    enum State {
        None,
        Issued,
        Claimed,
        Reimbursed,
        Reversed
    }

    /// The holder's acts, the employer's on a claim, the issuer's, and the employer's of its own accord, in this order.
    enum Kind {
        Transfer,
        Claim,
        Withdraw,
        Reimburse,
        Reject,
        Reverse,
        Adjust,
        Enter,
        Admit
    }

    /// @param segment First number of the segment that the numbers are taken from.
    /// @param first The lot's first number; the leaf at position i is invoice `first + i`.
    /// @param leaves Leaf hashes (LotTree.leafHash), at most 1,024.
    /// @param seal The issuer's signature over Seal(issuer, segment, first, count, root).
    struct Lot {
        uint32 issuer;
        uint256 segment;
        uint256 first;
        bytes32[] leaves;
        Signature seal;
    }

    /// What one storage slot per lot is the hash of.
    struct LotHeader {
        uint256 first;
        uint32 count;
        uint32 issuer;
        uint40 time;
        bytes32 root;
    }

    /// @param content Salted hash of the document.
    /// @param holder Account that holds the invoice at first; zero for a red letter, which nobody can act on.
    /// @param buyer Index of the titled employer; 0 for an untitled invoice.
    struct Leaf {
        bytes32 content;
        address holder;
        uint32 buyer;
    }

    /// Shows that an untouched invoice is issued: its lot, its leaf, and the path between them.
    struct Evidence {
        LotHeader lot;
        Leaf leaf;
        bytes32[] proof;
    }

    /// @param version The invoice's version that the act is made for; 0 while it is untouched.
    struct Target {
        uint256 id;
        uint16 version;
    }

    /// @param kind A `Kind`; a number, so that an unknown one is refused by itself.
    /// @param to Receiver of a transfer, holder of what is admitted; else zero.
    /// @param taxpayer Index of the employer (claim, reimburse, reject, enter, admit) or the issuer (reverse, adjust); else 0.
    /// @param ref What the parties know this act by: a claim's id, the hash of a rejection's reason, the content hash of a red
    /// letter (what its leaf commits to). Of an entry: the mark, as a number.
    /// @param invoices 1 to 100, ids strictly ascending.
    /// @param evidence In the order of the invoices, one for each that needs it: each untouched one (version 0); for a
    /// reversal and an adjustment, every one (a touched invoice's record does not say who issued it; leaf and proof are then
    /// not read); for an admission, none.
    /// @param consent The receiver's signature (transfer), or the employer's (reverse and adjust, where it is needed).
    struct Act {
        uint8 kind;
        address to;
        uint32 taxpayer;
        bytes32 ref;
        Target[] invoices;
        Evidence[] evidence;
        Signature signature;
        Signature consent;
    }

    /// @param employer The titled buyer from the first touch on, or the employer who is claimed from.
    /// @param mark Of book entry, as its code: 1, 2, 3 or 6; 0 in the record of an untouched invoice.
    /// @param updatedAt Since when it has this state and holder, in seconds since 1970.
    struct Record {
        address holder;
        uint32 employer;
        State state;
        bool titled;
        uint8 mark;
        uint16 version;
        uint40 updatedAt;
    }

    event LotSealed(uint256 indexed first, uint32 indexed issuer, uint256 segment, uint32 count, uint40 time, bytes32 root);

    /// @param reason Selector of the error below that tells why. `found` is that error's last argument.
    event LotRefused(uint256 indexed first, uint32 indexed issuer, bytes4 reason, uint256 found);

    /// `act` is the digest that was signed; `version` the invoice's version from now on.
    event Transferred(uint256 indexed id, bytes32 indexed act, address indexed to, bytes32 ref, uint16 version);
    event Claimed(uint256 indexed id, bytes32 indexed act, uint32 indexed employer, address holder, bytes32 ref, uint16 version);
    event Withdrawn(uint256 indexed id, bytes32 indexed act, uint32 indexed employer, uint16 version);
    event Reimbursed(uint256 indexed id, bytes32 indexed act, uint32 indexed employer, uint16 version);
    event Rejected(uint256 indexed id, bytes32 indexed act, uint32 indexed employer, bytes32 ref, uint16 version);
    event Reversed(uint256 indexed id, bytes32 indexed act, uint32 indexed issuer, bytes32 ref, uint16 version);
    event Adjusted(uint256 indexed id, bytes32 indexed act, uint32 indexed issuer, bytes32 ref, uint16 version);
    event Entered(uint256 indexed id, bytes32 indexed act, uint32 indexed employer, uint8 mark, uint16 version);

    /// @notice An act was refused whole. `id` is the first invoice that it failed on.
    /// @param reason Selector of the error below that tells why. `found` is that error's last argument.
    /// @param alarm The party itself tried, on the current version, to have an invoice reimbursed a second time. Says nothing of when it
    /// has signed, nor that it has sent it now: anybody may relay the act, any number of times.
    event Refused(bytes32 indexed act, uint256 indexed id, bytes4 reason, uint8 kind, bool alarm, uint256 found);

    event ClosedSet(bool closed);

    // Thrown: the whole transaction is of no use.
    error LedgerClosed();
    error BatchSize(uint256 size);
    error ClaimTermInvalid(uint256 claimTerm);
    error RegistryInvalid(address registry);

    // Never thrown: reasons of LotRefused(first, …, found).
    error LotSize(uint256 first, uint256 size);
    error SegmentNotOwned(uint256 first, uint256 owner);
    error LotOutOfOrder(uint256 first, uint256 expected);
    error SegmentOverrun(uint256 first, uint256 end);
    error SealInvalid(uint256 first, uint256 recovered);

    // Never thrown: reasons of Refused(…, id, …, found). `IssuerNotActive` is also a reason of LotRefused.
    error KindUnknown(uint256 id, uint256 kind);
    error ActSize(uint256 id, uint256 size);
    error IdsNotAscending(uint256 id, uint256 previous);
    error StaleVersion(uint256 id, uint256 version);
    error EvidenceMissing(uint256 id, uint256 given);
    error LotUnknown(uint256 id, uint256 lot);
    error ProofInvalid(uint256 id, uint256 root);
    error HolderDiffers(uint256 id, uint256 holder);
    error IssuerDiffers(uint256 id, uint256 issuer);
    error SignatureInvalid(uint256 id, uint256 recovered);
    error ConsentInvalid(uint256 id, uint256 recovered);
    error AlreadyClaimed(uint256 id, uint256 employer);
    error AlreadyReimbursed(uint256 id, uint256 employer);
    error WrongState(uint256 id, uint256 state);
    error NotClaimedFrom(uint256 id, uint256 employer);
    error TitledToAnother(uint256 id, uint256 employer);
    error ClaimTermRunning(uint256 id, uint256 until);
    error ReceiverInvalid(uint256 id, uint256 to);
    error HolderSuspended(uint256 id, uint256 holder);
    error EmployerNotActive(uint256 id, uint256 employer);
    error IssuerNotActive(uint256 id, uint256 issuer);
    error VersionExhausted(uint256 id, uint256 version);
    error NotExternal(uint256 id, uint256 lowest);
    error NotEmployerOf(uint256 id, uint256 employer);
    error MarkInvalid(uint256 id, uint256 mark);
    error AlreadyEntered(uint256 id, uint256 mark);
    error NotEntered(uint256 id, uint256 mark);
    error RedLetter(uint256 id, uint256 employer);

    /// @notice Seals lots, each by itself. At most 100 in a call.
    function seal(Lot[] calldata lots) external;

    /// @notice Tries acts, each by itself. At most 100 in a call.
    function act(Act[] calldata acts) external;

    /// @notice The bureau stops the ledger, or lets it run again. It cannot change an invoice.
    function setClosed(bool closed) external;

    function isClosed() external view returns (bool);

    function registry() external view returns (ITaxpayerRegistry);

    /// @notice Seconds after which a holder may withdraw a claim that the employer leaves undecided.
    function claimTerm() external view returns (uint256);

    /// @notice The record of a touched invoice; all zero for an untouched one.
    function record(uint256 id) external view returns (Record memory);

    /// @notice Hash of the header of the lot that starts at `first`; zero when there is none.
    function lotHash(uint256 first) external view returns (bytes32);

    /// @notice How many numbers of a segment are sealed.
    function sealedIn(uint256 segment) external view returns (uint256);

    /// @notice Whether this evidence shows that invoice `id` is sealed. Says nothing about what became of it since.
    function proves(uint256 id, Evidence calldata evidence) external view returns (bool);
}
