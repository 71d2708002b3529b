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
    /// Kinds and states as numbers: the compiler would check an enum's range again at each comparison.
    uint256 private constant TRANSFER = uint256(Kind.Transfer);
    uint256 private constant CLAIM = uint256(Kind.Claim);
    uint256 private constant WITHDRAW = uint256(Kind.Withdraw);
    uint256 private constant REIMBURSE = uint256(Kind.Reimburse);
    uint256 private constant REJECT = uint256(Kind.Reject);
    uint256 private constant REVERSE = uint256(Kind.Reverse);
    uint256 private constant ADJUST = uint256(Kind.Adjust);
    uint256 private constant ENTER = uint256(Kind.Enter);
    uint256 private constant ADMIT = uint256(Kind.Admit);
    uint256 private constant ISSUED = uint256(State.Issued);
    uint256 private constant CLAIMED = uint256(State.Claimed);
    uint256 private constant REIMBURSED = uint256(State.Reimbursed);
    uint256 private constant REVERSED = uint256(State.Reversed);
    uint256 private constant MAX_BATCH = 100;
    uint256 private constant MAX_INVOICES = 100;
    uint256 private constant MAX_LEAVES = 1024;
    /// The smallest id of an invoice issued elsewhere.
    uint256 private constant EXTERNAL = 1 << 255;
    /// Marks of book entry: entered and deductible, entered and not deductible, entry revoked.
    uint256 private constant DEDUCTIBLE = 2;
    uint256 private constant NOT_DEDUCTIBLE = 3;
    uint256 private constant REVOKED = 6;
    /// From here on only what closes something is taken, and each of these can happen once more and no more: the end of a
    /// claim (reimburse, reject or withdraw), the reversal, the revocation of an entry. Three steps are kept free for them, so
    /// a version never wraps and no replay becomes current again.
    uint16 private constant LAST_OPEN_VERSION = type(uint16).max - 3;

    ITaxpayerRegistry public immutable override registry;
    uint256 public immutable override claimTerm;

    bool private _closed;
    mapping(uint256 first => bytes32) private _lots;
    mapping(uint256 segment => uint256) private _sealed;
    mapping(uint256 id => InvoiceRecord) private _records;

    /// An act while it is tried, and why it is refused; reason 0: it is not.
    struct Trial {
        uint256 kind;
        uint32 taxpayer;
        address holder;
        bytes32 digest;
        bytes4 reason;
        bool alarm;
        uint256 id;
        uint256 found;
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
        Trial memory t;
        return _holdsLot(id, evidence.lot, t) && _holdsLeaf(id, evidence, t);
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
        Trial memory t;
        t.kind = a.kind;
        if (targets.length == 0 || targets.length > MAX_INVOICES) {
            _refuse(t, ActSize.selector, 0, targets.length);
        } else if (t.kind > ADMIT) {
            _refuse(t, KindUnknown.selector, targets[0].id, t.kind);
        } else {
            t.taxpayer = a.taxpayer;
            t.digest = _hashTypedDataV4(Messages.actHash(a, t.kind, targets));
            _attempt(a, targets, t);
        }
        if (t.reason != 0) emit Refused(t.digest, t.id, t.reason, uint8(t.kind), t.alarm, t.found);
    }

    function _attempt(Act calldata a, Target[] calldata targets, Trial memory t) private {
        InvoiceRecord[] memory records = new InvoiceRecord[](targets.length);
        if (!_read(a, targets, records, t)) return;
        uint256 first = targets[0].id;
        t.holder = records[0].holder();
        if (!_authenticate(a, first, t)) return;
        for (uint256 i = 0; i < records.length; ++i) {
            if (!_judge(a, targets[i].id, records[i], t)) return;
        }
        if ((t.kind <= CLAIM || t.kind == ADMIT) && !_judgeOther(a, first, t)) return;
        _checkOpen();
        _write(a, targets, records, t);
    }

    /// First pass: every invoice as it stands, from its record or from evidence.
    function _read(
        Act calldata a,
        Target[] calldata targets,
        InvoiceRecord[] memory records,
        Trial memory t
    ) private view returns (bool) {
        uint256 previous = 0;
        uint256 used = 0;
        for (uint256 i = 0; i < targets.length; ++i) {
            Target calldata target = targets[i];
            uint256 id = target.id;
            // ascending, so that no invoice stands in an act twice
            if (id <= previous) return _refuse(t, IdsNotAscending.selector, id, previous);
            previous = id;
            InvoiceRecord r = _records[id];
            uint16 version = r.version();
            if (version != target.version) return _refuse(t, StaleVersion.selector, id, version);
            if (version == 0 || t.kind > REJECT) {
                if (t.kind == ADMIT) {
                    if (id < EXTERNAL) return _refuse(t, NotExternal.selector, id, EXTERNAL);
                    if (version == 0) r = pack(address(0), 0, State.Issued, false, 0, 0);
                } else if (version == 0 || t.kind != ENTER) {
                    if (used == a.evidence.length) return _refuse(t, EvidenceMissing.selector, id, used);
                    Evidence calldata e = a.evidence[used++];
                    if (!_holdsLot(id, e.lot, t)) return false;
                    // a record says all but who issued the invoice
                    if (_isRedLetter(t.kind) && e.lot.issuer != t.taxpayer) {
                        return _refuse(t, IssuerDiffers.selector, id, e.lot.issuer);
                    }
                    if (version == 0) {
                        if (!_holdsLeaf(id, e, t)) return false;
                        // issued since it was sealed: an adjustment and an entry leave it so
                        r = pack(e.leaf.holder, e.leaf.buyer, State.Issued, e.leaf.buyer != 0, 0, e.lot.time);
                    }
                }
            }
            records[i] = r;
        }
        return true;
    }

    function _isRedLetter(uint256 kind) private pure returns (bool) {
        return kind == REVERSE || kind == ADJUST;
    }

    function _holdsLot(uint256 id, LotHeader calldata lot, Trial memory t) private view returns (bool) {
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
        return _refuse(t, LotUnknown.selector, id, first);
    }

    /// Requirement: the lot holds (so the id is inside it).
    function _holdsLeaf(uint256 id, Evidence calldata e, Trial memory t) private pure returns (bool) {
        bytes32 leaf = LotTree.leafHash(e.leaf.content, e.leaf.holder, e.leaf.buyer);
        bytes32 root = LotTree.rootFrom(e.proof, id - e.lot.first, e.lot.count, leaf);
        return root == e.lot.root || _refuse(t, ProofInvalid.selector, id, uint256(root));
    }

    /// Second pass: the party signed this message, and its standing lets it act.
    function _authenticate(Act calldata a, uint256 id, Trial memory t) private view returns (bool) {
        Signature calldata signature = a.signature;
        if (t.kind <= WITHDRAW) {
            (address key, bool suspended) = registry.holderOf(t.holder);
            if (!_signed(signature, key, SignatureInvalid.selector, id, t)) return false;
            return !suspended || t.kind == WITHDRAW || _refuse(t, HolderSuspended.selector, id, uint160(t.holder));
        }
        (address signer, uint8 powers) = registry.signerOf(t.taxpayer);
        if (!_signed(signature, signer, SignatureInvalid.selector, id, t)) return false;
        if (t.kind == REIMBURSE || t.kind >= ENTER) {
            if (powers & EMPLOYER != 0) return true;
            // whoever revokes an entry releases, as whoever rejects, and does not use
            bool revokes = t.kind == ENTER && uint256(a.ref) == REVOKED;
            return revokes || _refuse(t, EmployerNotActive.selector, id, t.taxpayer);
        }
        return t.kind == REJECT || powers & ISSUER != 0 || _refuse(t, IssuerNotActive.selector, id, t.taxpayer);
    }

    /// @dev A red letter's holder is zero, and so is an unknown taxpayer's key: neither may pass for a failed recovery.
    function _signed(
        Signature calldata signature,
        address key,
        bytes4 reason,
        uint256 id,
        Trial memory t
    ) private pure returns (bool) {
        address recovered = Messages.signer(t.digest, signature);
        return (recovered != address(0) && recovered == key) || _refuse(t, reason, id, uint160(recovered));
    }

    /// Third pass: state and title allow it.
    function _judge(Act calldata a, uint256 id, InvoiceRecord r, Trial memory t) private view returns (bool) {
        if (t.kind > WITHDRAW) {
            if (t.kind <= REJECT) return _judgeDecision(id, r, t);
            if (t.kind == ENTER) return _judgeEntry(uint256(a.ref), id, r, t);
            // an employer's claim of its own accord: the same rules and the same alarms
            return t.kind == ADMIT ? _judgeClaim(id, r, t) : _judgeRedLetter(a.consent, id, r, t);
        }
        if (r.holder() != t.holder) return _refuse(t, HolderDiffers.selector, id, uint160(r.holder()));
        if (t.kind == CLAIM) return _judgeClaim(id, r, t);
        if (t.kind == WITHDRAW) return _judgeWithdraw(id, r, t);
        if (r.state() != ISSUED) return _refuse(t, WrongState.selector, id, r.state());
        return _judgeVersion(id, r, t);
    }

    function _judgeClaim(uint256 id, InvoiceRecord r, Trial memory t) private pure returns (bool) {
        uint256 state = r.state();
        uint32 bound = r.employer();
        if (state == REIMBURSED) {
            t.alarm = true;
            return _refuse(t, AlreadyReimbursed.selector, id, bound);
        }
        if (state == CLAIMED) {
            // claimed again from the same employer is a repeated request, from another one an attempt at a second payment
            t.alarm = t.taxpayer != bound;
            return _refuse(t, AlreadyClaimed.selector, id, bound);
        }
        if (state != ISSUED) return _refuse(t, WrongState.selector, id, state);
        if (r.titled() && t.taxpayer != bound) return _refuse(t, TitledToAnother.selector, id, bound);
        return _judgeVersion(id, r, t);
    }

    function _judgeVersion(uint256 id, InvoiceRecord r, Trial memory t) private pure returns (bool) {
        return r.version() < LAST_OPEN_VERSION || _refuse(t, VersionExhausted.selector, id, r.version());
    }

    function _judgeWithdraw(uint256 id, InvoiceRecord r, Trial memory t) private view returns (bool) {
        if (r.state() != CLAIMED) return _refuse(t, WrongState.selector, id, r.state());
        uint256 until = r.updatedAt() + claimTerm;
        return block.timestamp >= until || _refuse(t, ClaimTermRunning.selector, id, until);
    }

    function _judgeDecision(uint256 id, InvoiceRecord r, Trial memory t) private pure returns (bool) {
        uint256 state = r.state();
        uint32 bound = r.employer();
        bool payment = t.kind == REIMBURSE;
        if (state == CLAIMED) {
            if (t.taxpayer == bound) return true;
            t.alarm = payment;
            return _refuse(t, NotClaimedFrom.selector, id, bound);
        }
        if (payment && state == REIMBURSED) {
            t.alarm = true;
            return _refuse(t, AlreadyReimbursed.selector, id, bound);
        }
        return _refuse(t, WrongState.selector, id, state);
    }

    function _judgeEntry(uint256 mark, uint256 id, InvoiceRecord r, Trial memory t) private pure returns (bool) {
        if (mark != DEDUCTIBLE && mark != NOT_DEDUCTIBLE && mark != REVOKED) {
            return _refuse(t, MarkInvalid.selector, id, mark);
        }
        if (t.taxpayer != r.employer()) return _refuse(t, NotEmployerOf.selector, id, r.employer());
        if (mark == REVOKED) return r.entered() || _refuse(t, NotEntered.selector, id, r.mark());
        if (r.holder() == address(0)) return _refuse(t, RedLetter.selector, id, r.employer());
        uint256 state = r.state();
        // whoever is claimed from is not its employer for good; a titled buyer is, and so is whoever has reimbursed
        if (state != REIMBURSED && (!r.titled() || state == REVERSED)) return _refuse(t, WrongState.selector, id, state);
        if (r.entered()) return _refuse(t, AlreadyEntered.selector, id, r.mark());
        return _judgeVersion(id, r, t);
    }

    /// A red letter over the whole (reverse) or over a part (adjust).
    function _judgeRedLetter(
        Signature calldata consent,
        uint256 id,
        InvoiceRecord r,
        Trial memory t
    ) private view returns (bool) {
        uint256 state = r.state();
        if (state == REVERSED) return _refuse(t, WrongState.selector, id, state);
        if (t.kind == ADJUST) {
            if (r.holder() == address(0)) return _refuse(t, RedLetter.selector, id, r.employer());
            if (!_judgeVersion(id, r, t)) return false;
        }
        if (state == ISSUED && !r.entered()) return true;
        // a suspended employer may still agree: it releases, it does not use
        (address key, ) = registry.signerOf(r.employer());
        return _signed(consent, key, ConsentInvalid.selector, id, t);
    }

    /// The receiver, the employer who is claimed from, the holder of what is admitted.
    function _judgeOther(Act calldata a, uint256 id, Trial memory t) private view returns (bool) {
        if (t.kind == CLAIM) return _judgeEmployer(id, t);
        return t.kind == TRANSFER ? _judgeReceiver(a, id, t) : _judgeHolder(a.to, id, t);
    }

    function _judgeReceiver(Act calldata a, uint256 id, Trial memory t) private view returns (bool) {
        address to = a.to;
        if (to == address(0) || to == t.holder) return _refuse(t, ReceiverInvalid.selector, id, uint160(to));
        (address key, bool suspended) = registry.holderOf(to);
        if (!_signed(a.consent, key, ConsentInvalid.selector, id, t)) return false;
        return !suspended || _refuse(t, HolderSuspended.selector, id, uint160(to));
    }

    /// Whom an employer admits an invoice for. No consent: it binds nobody, and an employer's word on its own employee suffices.
    function _judgeHolder(address to, uint256 id, Trial memory t) private view returns (bool) {
        if (to == address(0)) return _refuse(t, ReceiverInvalid.selector, id, 0);
        (, bool suspended) = registry.holderOf(to);
        return !suspended || _refuse(t, HolderSuspended.selector, id, uint160(to));
    }

    function _judgeEmployer(uint256 id, Trial memory t) private view returns (bool) {
        (, uint8 powers) = registry.signerOf(t.taxpayer);
        return powers & EMPLOYER != 0 || _refuse(t, EmployerNotActive.selector, id, t.taxpayer);
    }

    /// Last pass, the only one that writes, and it cannot fail.
    /// @dev All but what closes stops three steps below the highest version, and every way on from there is at most three long.
    function _write(
        Act calldata a,
        Target[] calldata targets,
        InvoiceRecord[] memory records,
        Trial memory t
    ) private {
        bytes32 digest = t.digest;
        for (uint256 i = 0; i < targets.length; ++i) {
            uint256 id = targets[i].id;
            InvoiceRecord r = records[i];
            if (t.kind == REIMBURSE) {
                r = r.next(REIMBURSED, block.timestamp);
                emit Reimbursed(id, digest, r.employer(), r.version());
            } else if (t.kind == CLAIM) {
                r = r.next(CLAIMED, block.timestamp).boundTo(t.taxpayer);
                emit Claimed(id, digest, r.employer(), r.holder(), a.ref, r.version());
            } else if (t.kind == TRANSFER) {
                r = r.next(ISSUED, block.timestamp).heldBy(a.to);
                emit Transferred(id, digest, r.holder(), a.ref, r.version());
            } else if (t.kind == REVERSE) {
                r = r.next(REVERSED, block.timestamp);
                emit Reversed(id, digest, t.taxpayer, a.ref, r.version());
            } else if (t.kind == ADJUST) {
                r = r.stepped();
                emit Adjusted(id, digest, t.taxpayer, a.ref, r.version());
            } else if (t.kind == ENTER) {
                r = r.stepped().marked(uint256(a.ref));
                emit Entered(id, digest, r.employer(), r.mark(), r.version());
            } else if (t.kind == ADMIT) {
                r = r.next(CLAIMED, block.timestamp).heldBy(a.to).boundTo(t.taxpayer);
                emit Claimed(id, digest, r.employer(), r.holder(), a.ref, r.version());
            } else {
                r = r.next(ISSUED, block.timestamp);
                if (t.kind == REJECT) emit Rejected(id, digest, r.employer(), a.ref, r.version());
                else emit Withdrawn(id, digest, r.employer(), r.version());
                // a titled invoice stays titled; an untitled one is free again
                if (!r.titled()) r = r.boundTo(0);
            }
            _records[id] = r;
        }
    }

    /// @return Always false, so that a check can end with it.
    function _refuse(Trial memory t, bytes4 reason, uint256 id, uint256 found) private pure returns (bool) {
        t.reason = reason;
        t.id = id;
        t.found = found;
        return false;
    }
}
