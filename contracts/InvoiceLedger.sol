// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IInvoiceLedger} from "./interfaces/IInvoiceLedger.sol";
import {ITaxpayerRegistry, Signature} from "./interfaces/ITaxpayerRegistry.sol";
import {LotTree} from "./libraries/LotTree.sol";
import {Messages} from "./libraries/Messages.sol";
import {InvoiceRecord, pack} from "./types/InvoiceRecord.sol";

/// @title The ledger of invoices
/// @notice See IInvoiceLedger, which is the specification.
/// @dev An act goes through four passes: read (version, evidence), authenticate (signature, standing), judge (state, title,
/// the other side), write. Nothing is written before the last, and the last cannot fail, so an act needs no undoing. `_write` is the
/// only place where a record changes. A refusal is a value (reason, id, found), not a revert: it costs its neighbours nothing.
/// Not protected against: a relayer that leaves acts out (send them through another), and malformed calldata, which takes
/// the whole transaction down; only the relayer itself encodes it.
contract InvoiceLedger is IInvoiceLedger, AccessManaged, EIP712 {
    uint8 private constant ISSUER = 1;
    uint8 private constant EMPLOYER = 2;
    uint256 private constant MAX_BATCH = 100;
    uint256 private constant MAX_INVOICES = 100;
    uint256 private constant MAX_LEAVES = 1024;
    /// From here on only what ends or releases a claim, or reverses, is taken: three steps are kept free for
    /// claim → reimburse → reverse, so a version never wraps and no replay becomes current again.
    uint16 private constant LAST_OPEN_VERSION = type(uint16).max - 3;

    ITaxpayerRegistry public immutable override registry;
    uint256 public immutable override claimTerm;

    bool private _closed;
    mapping(uint256 first => bytes32) private _lots;
    mapping(uint256 segment => uint256) private _sealed;
    mapping(uint256 id => InvoiceRecord) private _records;

    /// Why something is refused; reason 0: it is not.
    struct Refusal {
        bytes4 reason;
        uint256 id;
        uint256 found;
        bool alarm;
    }

    /// @param network A name that no other network uses (see TaxpayerRegistry).
    /// @param claimTerm_ Seconds; at least one hour, at most a year.
    constructor(
        address authority,
        ITaxpayerRegistry registry_,
        string memory network,
        uint256 claimTerm_
    ) AccessManaged(authority) EIP712(network, "1") {
        if (address(registry_).code.length == 0) revert RegistryInvalid(address(registry_));
        if (claimTerm_ < 1 hours || claimTerm_ > 365 days) revert ClaimTermInvalid(claimTerm_);
        registry = registry_;
        claimTerm = claimTerm_;
    }

    /// @inheritdoc IInvoiceLedger
    function seal(Lot[] calldata lots) external {
        _checkSize(lots.length);
        for (uint256 i = 0; i < lots.length; ++i) _seal(lots[i]);
    }

    /// @inheritdoc IInvoiceLedger
    function act(Act[] calldata acts) external {
        _checkSize(acts.length);
        for (uint256 i = 0; i < acts.length; ++i) _act(acts[i]);
    }

    /// @inheritdoc IInvoiceLedger
    function setClosed(bool closed) external restricted {
        _closed = closed;
        emit ClosedSet(closed);
    }

    /// @inheritdoc IInvoiceLedger
    function isClosed() external view returns (bool) {
        return _closed;
    }

    /// @inheritdoc IInvoiceLedger
    function record(uint256 id) external view returns (Record memory) {
        return _records[id].unpack();
    }

    /// @inheritdoc IInvoiceLedger
    function lotHash(uint256 first) external view returns (bytes32) {
        return _lots[first];
    }

    /// @inheritdoc IInvoiceLedger
    function sealedIn(uint256 segment) external view returns (uint256) {
        return _sealed[segment];
    }

    /// @inheritdoc IInvoiceLedger
    function proves(uint256 id, Evidence calldata evidence) external view returns (bool) {
        Refusal memory no;
        return _holdsLot(id, evidence.lot, no) && _holdsLeaf(id, evidence, no);
    }

    function _checkSize(uint256 size) private pure {
        if (size > MAX_BATCH) revert BatchSize(size);
    }

    /// @dev Read just before a write, not at the entrance: a refusal changes nothing, so a closed ledger may still say it.
    function _checkOpen() private view {
        if (_closed) revert LedgerClosed();
    }

    // ── lots ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    function _seal(Lot calldata lot) private {
        (bytes4 reason, uint256 found, bytes32 root) = _judgeLot(lot);
        if (reason != 0) {
            emit LotRefused(lot.first, lot.issuer, reason, found);
            return;
        }
        _checkOpen();
        uint32 count = uint32(lot.leaves.length);
        uint40 time = uint40(block.timestamp);
        // the segment's bounds were checked, so this cannot overflow
        unchecked {
            _sealed[lot.segment] = lot.first + count - lot.segment;
        }
        _lots[lot.first] = _headerHash(lot.first, count, lot.issuer, time, root);
        emit LotSealed(lot.first, lot.issuer, lot.segment, count, time, root);
    }

    function _judgeLot(Lot calldata lot) private view returns (bytes4, uint256, bytes32) {
        uint256 count = lot.leaves.length;
        if (count == 0 || count > MAX_LEAVES) return (LotSize.selector, count, 0);
        (address key, uint8 powers, uint32 owner, uint64 length) = registry.issuerOf(lot.issuer, lot.segment);
        if (owner == 0 || owner != lot.issuer) return (SegmentNotOwned.selector, owner, 0);
        if (powers & ISSUER == 0) return (IssuerNotActive.selector, lot.issuer, 0);
        // an owned segment is below 10^20, so these sums cannot overflow
        unchecked {
            uint256 expected = lot.segment + _sealed[lot.segment];
            if (lot.first != expected) return (LotOutOfOrder.selector, expected, 0);
            uint256 end = lot.segment + length;
            if (lot.first + count > end) return (SegmentOverrun.selector, end, 0);
        }
        bytes32 root = LotTree.root(lot.leaves);
        address recovered = Messages.signer(_hashTypedDataV4(Messages.sealHash(lot, root)), lot.seal);
        if (recovered == address(0) || recovered != key) return (SealInvalid.selector, uint160(recovered), 0);
        return (0, 0, root);
    }

    function _headerHash(
        uint256 first,
        uint32 count,
        uint32 issuer,
        uint40 time,
        bytes32 root
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(first, count, issuer, time, root));
    }

    // ── acts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    function _act(Act calldata a) private {
        Target[] calldata targets = a.invoices;
        uint256 size = targets.length;
        uint8 kind = a.kind;
        bytes32 digest;
        Refusal memory no;
        if (size == 0 || size > MAX_INVOICES) {
            _refuse(no, ActSize.selector, 0, size);
        } else if (kind > uint8(type(Kind).max)) {
            _refuse(no, KindUnknown.selector, targets[0].id, kind);
        } else {
            digest = _hashTypedDataV4(Messages.actHash(a, Kind(kind), targets));
            _attempt(a, Kind(kind), targets, digest, no);
        }
        if (no.reason != 0) emit Refused(digest, no.id, no.reason, kind, no.alarm, no.found);
    }

    function _attempt(Act calldata a, Kind kind, Target[] calldata targets, bytes32 digest, Refusal memory no) private {
        InvoiceRecord[] memory records = new InvoiceRecord[](targets.length);
        if (!_read(a, kind, targets, records, no)) return;
        address holder = records[0].holder();
        if (!_authenticate(a, kind, targets, digest, holder, no)) return;
        for (uint256 i = 0; i < records.length; ++i) {
            if (!_judge(a, kind, digest, targets[i].id, records[i], holder, no)) return;
        }
        if (kind == Kind.Transfer && !_judgeReceiver(a, digest, targets[0].id, holder, no)) return;
        if (kind == Kind.Claim && !_judgeEmployer(a.taxpayer, targets[0].id, no)) return;
        _checkOpen();
        _write(a, kind, targets, digest, records);
    }

    /// First pass: every invoice as it stands, from its record or from evidence.
    function _read(
        Act calldata a,
        Kind kind,
        Target[] calldata targets,
        InvoiceRecord[] memory records,
        Refusal memory no
    ) private view returns (bool) {
        uint256 previous = 0;
        uint256 used = 0;
        for (uint256 i = 0; i < targets.length; ++i) {
            uint256 id = targets[i].id;
            // ascending, so that no invoice stands in an act twice
            if (id <= previous) return _refuse(no, IdsNotAscending.selector, id, previous);
            previous = id;
            InvoiceRecord r = _records[id];
            uint16 version = r.version();
            if (version != targets[i].version) return _refuse(no, StaleVersion.selector, id, version);
            if (version == 0 || kind == Kind.Reverse) {
                if (used == a.evidence.length) return _refuse(no, EvidenceMissing.selector, id, used);
                Evidence calldata e = a.evidence[used++];
                if (!_holdsLot(id, e.lot, no)) return false;
                if (kind == Kind.Reverse && e.lot.issuer != a.taxpayer) {
                    return _refuse(no, IssuerDiffers.selector, id, e.lot.issuer);
                }
                if (version == 0) {
                    if (!_holdsLeaf(id, e, no)) return false;
                    r = pack(e.leaf.holder, e.leaf.buyer, State.Issued, e.leaf.buyer != 0, 0, 0);
                }
            }
            records[i] = r;
        }
        return true;
    }

    function _holdsLot(uint256 id, LotHeader calldata lot, Refusal memory no) private view returns (bool) {
        uint256 first = lot.first;
        uint32 count = lot.count;
        // a genuine header's first + count cannot overflow, and `id - first` is read only where id is not below first
        unchecked {
            if (
                _lots[first] == _headerHash(first, count, lot.issuer, lot.time, lot.root) &&
                id >= first &&
                id - first < count
            ) return true;
        }
        return _refuse(no, LotUnknown.selector, id, first);
    }

    /// Requirement: the lot holds (so the id is inside it).
    function _holdsLeaf(uint256 id, Evidence calldata e, Refusal memory no) private pure returns (bool) {
        bytes32 leaf = LotTree.leafHash(e.leaf.content, e.leaf.holder, e.leaf.buyer);
        bytes32 root = LotTree.rootFrom(e.proof, id - e.lot.first, e.lot.count, leaf);
        return root == e.lot.root || _refuse(no, ProofInvalid.selector, id, uint256(root));
    }

    /// Second pass: the party signed this message, and its standing lets it act.
    function _authenticate(
        Act calldata a,
        Kind kind,
        Target[] calldata targets,
        bytes32 digest,
        address holder,
        Refusal memory no
    ) private view returns (bool) {
        uint256 id = targets[0].id;
        if (kind <= Kind.Withdraw) {
            (address key, bool suspended) = registry.holderOf(holder);
            if (!_signed(digest, a.signature, key, SignatureInvalid.selector, id, no)) return false;
            if (suspended && kind != Kind.Withdraw) return _refuse(no, HolderSuspended.selector, id, uint160(holder));
        } else {
            uint32 index = a.taxpayer;
            (address key, uint8 powers) = registry.signerOf(index);
            if (!_signed(digest, a.signature, key, SignatureInvalid.selector, id, no)) return false;
            if (kind == Kind.Reject) return true;
            if (kind == Kind.Reverse) {
                if (powers & ISSUER == 0) return _refuse(no, IssuerNotActive.selector, id, index);
            } else if (powers & EMPLOYER == 0) {
                return _refuse(no, EmployerNotActive.selector, id, index);
            }
        }
        return true;
    }

    /// @dev A red letter's holder is zero, and so is an unknown taxpayer's key: neither may pass for a failed recovery.
    function _signed(
        bytes32 digest,
        Signature calldata signature,
        address key,
        bytes4 reason,
        uint256 id,
        Refusal memory no
    ) private pure returns (bool) {
        address recovered = Messages.signer(digest, signature);
        return (recovered != address(0) && recovered == key) || _refuse(no, reason, id, uint160(recovered));
    }

    /// Third pass: state and title allow it.
    function _judge(
        Act calldata a,
        Kind kind,
        bytes32 digest,
        uint256 id,
        InvoiceRecord r,
        address holder,
        Refusal memory no
    ) private view returns (bool) {
        if (kind > Kind.Withdraw) {
            if (kind == Kind.Reverse) return _judgeReverse(a.consent, digest, id, r, no);
            return _judgeDecision(a.taxpayer, kind, id, r, no);
        }
        if (r.holder() != holder) return _refuse(no, HolderDiffers.selector, id, uint160(r.holder()));
        if (kind == Kind.Claim) return _judgeClaim(a.taxpayer, id, r, no);
        if (kind == Kind.Withdraw) return _judgeWithdraw(id, r, no);
        if (r.state() != State.Issued) return _refuse(no, WrongState.selector, id, uint8(r.state()));
        return _judgeVersion(id, r, no);
    }

    function _judgeClaim(uint32 employer, uint256 id, InvoiceRecord r, Refusal memory no) private pure returns (bool) {
        State state = r.state();
        uint32 bound = r.employer();
        if (state == State.Reimbursed) {
            no.alarm = true;
            return _refuse(no, AlreadyReimbursed.selector, id, bound);
        }
        if (state == State.Claimed) {
            // claimed again from the same employer is a repeated request, from another one an attempt at a second payment
            no.alarm = employer != bound;
            return _refuse(no, AlreadyClaimed.selector, id, bound);
        }
        if (state != State.Issued) return _refuse(no, WrongState.selector, id, uint8(state));
        if (r.titled() && employer != bound) return _refuse(no, TitledToAnother.selector, id, bound);
        return _judgeVersion(id, r, no);
    }

    function _judgeVersion(uint256 id, InvoiceRecord r, Refusal memory no) private pure returns (bool) {
        return r.version() < LAST_OPEN_VERSION || _refuse(no, VersionExhausted.selector, id, r.version());
    }

    function _judgeWithdraw(uint256 id, InvoiceRecord r, Refusal memory no) private view returns (bool) {
        if (r.state() != State.Claimed) return _refuse(no, WrongState.selector, id, uint8(r.state()));
        uint256 until = r.updatedAt() + claimTerm;
        return block.timestamp >= until || _refuse(no, ClaimTermRunning.selector, id, until);
    }

    function _judgeDecision(
        uint32 employer,
        Kind kind,
        uint256 id,
        InvoiceRecord r,
        Refusal memory no
    ) private pure returns (bool) {
        State state = r.state();
        uint32 bound = r.employer();
        bool payment = kind == Kind.Reimburse;
        if (state == State.Claimed) {
            if (employer == bound) return true;
            no.alarm = payment;
            return _refuse(no, NotClaimedFrom.selector, id, bound);
        }
        if (payment && state == State.Reimbursed) {
            no.alarm = true;
            return _refuse(no, AlreadyReimbursed.selector, id, bound);
        }
        return _refuse(no, WrongState.selector, id, uint8(state));
    }

    function _judgeReverse(
        Signature calldata consent,
        bytes32 digest,
        uint256 id,
        InvoiceRecord r,
        Refusal memory no
    ) private view returns (bool) {
        State state = r.state();
        if (state == State.Issued) return true;
        if (state == State.Reversed) return _refuse(no, WrongState.selector, id, uint8(state));
        // a suspended employer may still agree: it releases, it does not use
        (address key, ) = registry.signerOf(r.employer());
        return _signed(digest, consent, key, ConsentInvalid.selector, id, no);
    }

    function _judgeReceiver(
        Act calldata a,
        bytes32 digest,
        uint256 id,
        address holder,
        Refusal memory no
    ) private view returns (bool) {
        address to = a.to;
        if (to == address(0) || to == holder) return _refuse(no, ReceiverInvalid.selector, id, uint160(to));
        (address key, bool suspended) = registry.holderOf(to);
        if (!_signed(digest, a.consent, key, ConsentInvalid.selector, id, no)) return false;
        return !suspended || _refuse(no, HolderSuspended.selector, id, uint160(to));
    }

    function _judgeEmployer(uint32 employer, uint256 id, Refusal memory no) private view returns (bool) {
        (, uint8 powers) = registry.signerOf(employer);
        return powers & EMPLOYER != 0 || _refuse(no, EmployerNotActive.selector, id, employer);
    }

    /// Last pass, the only one that writes, and it cannot fail.
    function _write(
        Act calldata a,
        Kind kind,
        Target[] calldata targets,
        bytes32 digest,
        InvoiceRecord[] memory records
    ) private {
        for (uint256 i = 0; i < targets.length; ++i) {
            InvoiceRecord r = records[i];
            uint256 id = targets[i].id;
            address holder = r.holder();
            uint32 employer = r.employer();
            State state;
            uint16 version;
            // transfer and claim stop three steps below the maximum, and every way on from there is at most three long
            unchecked {
                version = r.version() + 1;
            }
            if (kind == Kind.Reimburse) {
                state = State.Reimbursed;
                emit Reimbursed(id, digest, employer, version);
            } else if (kind == Kind.Claim) {
                (state, employer) = (State.Claimed, a.taxpayer);
                emit Claimed(id, digest, employer, holder, a.ref, version);
            } else if (kind == Kind.Transfer) {
                (state, holder) = (State.Issued, a.to);
                emit Transferred(id, digest, holder, a.ref, version);
            } else if (kind == Kind.Reverse) {
                state = State.Reversed;
                emit Reversed(id, digest, a.taxpayer, a.ref, version);
            } else {
                state = State.Issued;
                if (kind == Kind.Reject) emit Rejected(id, digest, employer, a.ref, version);
                else emit Withdrawn(id, digest, employer, version);
                // a titled invoice stays titled; an untitled one is free again
                if (!r.titled()) employer = 0;
            }
            _records[id] = pack(holder, employer, state, r.titled(), version, uint40(block.timestamp));
        }
    }

    /// @return Always false, so that a check can end with it.
    function _refuse(Refusal memory no, bytes4 reason, uint256 id, uint256 found) private pure returns (bool) {
        no.reason = reason;
        no.id = id;
        no.found = found;
        return false;
    }
}
