// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../../../contracts/interfaces/IInvoiceLedger.sol";
import {NaiveTree} from "./NaiveTree.sol";
import {Parties} from "./Parties.sol";

/// The naive model of the ledger: every invoice as a plain struct from the day it is sealed, and the rules of IInvoiceLedger
/// one after the other, with what truly happened (which key signed what, which evidence was spoilt) known and not proved.
/// Talks to no contract.
abstract contract Invoices is Parties {
    enum Verdict {
        Taken,
        Refused,
        Alarm
    }

    /// How an evidence is spoilt.
    enum Tamper {
        Nothing,
        Header,
        Leaf,
        Proof,
        Missing
    }

    struct Invoice {
        address holder;
        uint32 employer;
        IInvoiceLedger.State state;
        bool titled;
        uint8 mark;
        uint16 version;
        uint40 updatedAt;
        uint32 issuer;
        uint256 lot;
        uint256 position;
    }

    /// A lot with the one who truly signs it; key 0 signs nothing.
    struct LotDraft {
        uint32 issuer;
        uint256 segment;
        uint256 first;
        IInvoiceLedger.Leaf[] leaves;
        uint256 key;
    }

    /// An act with those who truly sign it; key 0 signs nothing.
    /// @param signedRef What they sign in the place of `ref`.
    /// @param proofs The numbers that evidence is given for, in order; the last one's is spoilt by `tamper`.
    struct ActDraft {
        uint8 kind;
        address to;
        uint32 taxpayer;
        bytes32 ref;
        bytes32 signedRef;
        IInvoiceLedger.Target[] targets;
        uint256[] proofs;
        Tamper tamper;
        uint256 key;
        uint256 consentKey;
    }

    struct SealedLot {
        IInvoiceLedger.LotHeader header;
        IInvoiceLedger.Leaf[] leaves;
    }

    uint256 internal constant EXTERNAL = 1 << 255;

    bool internal closed;
    uint256[] internal ids;
    SealedLot[] internal lots;
    mapping(uint256 id => Invoice) internal invoices;
    mapping(uint256 segment => uint256) internal sealedIn;

    // ── lots ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    function _mayBeSealed(LotDraft memory d) internal view returns (bool) {
        uint256 length = 0;
        uint32 owner = 0;
        for (uint256 i = 0; i < segments.length; ++i) {
            if (segments[i].first == d.segment) (owner, length) = (segments[i].issuer, segments[i].length);
        }
        if (d.leaves.length == 0 || d.leaves.length > 1024) return false;
        if (owner == 0 || owner != d.issuer || !_may(d.issuer, ISSUER)) return false;
        if (d.first != d.segment + sealedIn[d.segment]) return false;
        if (sealedIn[d.segment] + d.leaves.length > length) return false;
        return d.key == keyOf[accountAt[d.issuer]];
    }

    function _sealInModel(LotDraft memory d) internal {
        SealedLot storage lot = lots.push();
        bytes32 root = NaiveTree.root(_leafHashes(d.leaves));
        lot.header = IInvoiceLedger.LotHeader(
            d.first,
            uint32(d.leaves.length),
            d.issuer,
            uint40(block.timestamp),
            root
        );
        for (uint256 i = 0; i < d.leaves.length; ++i) {
            uint256 id = d.first + i;
            require(!_known(id), "a number was sealed twice");
            IInvoiceLedger.Leaf memory leaf = d.leaves[i];
            lot.leaves.push(leaf);
            ids.push(id);
            invoices[id] = Invoice(
                leaf.holder,
                leaf.buyer,
                IInvoiceLedger.State.Issued,
                leaf.buyer != 0,
                1,
                0,
                uint40(block.timestamp),
                d.issuer,
                lots.length - 1,
                i
            );
        }
        sealedIn[d.segment] += d.leaves.length;
    }

    // ── acts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    function _judge(ActDraft memory d) internal view returns (Verdict) {
        uint256 n = d.targets.length;
        if (n == 0 || n > 100 || d.kind > 8) return Verdict.Refused;
        for (uint256 i = 0; i < n; ++i) {
            IInvoiceLedger.Target memory t = d.targets[i];
            if (t.id <= (i == 0 ? 0 : d.targets[i - 1].id)) return Verdict.Refused;
            if (t.version != invoices[t.id].version) return Verdict.Refused;
            if (_is(d, IInvoiceLedger.Kind.Admit) && t.id < EXTERNAL) return Verdict.Refused;
            if (_wantsEvidence(d, t.version) && !_proven(d, t)) return Verdict.Refused;
        }
        if (!_genuine(d)) return Verdict.Refused;
        address holder = invoices[d.targets[0].id].holder;
        if (_is(d, IInvoiceLedger.Kind.Transfer) || _is(d, IInvoiceLedger.Kind.Claim)) {
            if (_suspended(holder)) return Verdict.Refused;
        }
        bool books = _is(d, IInvoiceLedger.Kind.Enter) && d.ref != bytes32(uint256(6));
        bool pays = _is(d, IInvoiceLedger.Kind.Reimburse) || _is(d, IInvoiceLedger.Kind.Admit);
        if ((books || pays) && !_may(d.taxpayer, EMPLOYER)) return Verdict.Refused;
        if (_isRedLetter(d) && !_may(d.taxpayer, ISSUER)) return Verdict.Refused;
        for (uint256 i = 0; i < n; ++i) {
            Verdict v = _judgeOne(d, invoices[d.targets[i].id], holder);
            if (v != Verdict.Taken) return v;
        }
        if (_is(d, IInvoiceLedger.Kind.Claim) && !_may(d.taxpayer, EMPLOYER)) return Verdict.Refused;
        if (_is(d, IInvoiceLedger.Kind.Admit)) return _when(d.to != address(0) && !_suspended(d.to));
        if (_is(d, IInvoiceLedger.Kind.Transfer)) {
            if (d.to == address(0) || d.to == holder || _suspended(d.to)) return Verdict.Refused;
            if (d.consentKey != keyOf[d.to] || d.ref != d.signedRef) return Verdict.Refused;
        }
        return Verdict.Taken;
    }

    /// Whether the party that the act is made in the name of has signed just this act with its key of today.
    function _genuine(ActDraft memory d) internal view returns (bool) {
        address party = d.kind <= uint8(IInvoiceLedger.Kind.Withdraw)
            ? invoices[d.targets[0].id].holder
            : d.taxpayer < 5
                ? accountAt[d.taxpayer]
                : address(0);
        return party != address(0) && d.key == keyOf[party] && d.ref == d.signedRef;
    }

    function _genuineConsent(ActDraft memory d, uint32 employer) internal view returns (bool) {
        address party = employer < 5 ? accountAt[employer] : address(0);
        return party != address(0) && d.consentKey == keyOf[party] && d.ref == d.signedRef;
    }

    function _judgeOne(ActDraft memory d, Invoice memory i, address holder) private view returns (Verdict) {
        bool issued = i.state == IInvoiceLedger.State.Issued;
        bool claimed = i.state == IInvoiceLedger.State.Claimed;
        bool reimbursed = i.state == IInvoiceLedger.State.Reimbursed;
        if (_is(d, IInvoiceLedger.Kind.Transfer)) return _when(issued && i.holder == holder);
        if (_is(d, IInvoiceLedger.Kind.Claim)) {
            if (i.holder != holder) return Verdict.Refused;
            if (reimbursed || (claimed && i.employer != d.taxpayer)) return Verdict.Alarm;
            return _when(issued && (!i.titled || i.employer == d.taxpayer));
        }
        if (_is(d, IInvoiceLedger.Kind.Withdraw)) {
            return _when(claimed && i.holder == holder && block.timestamp >= i.updatedAt + CLAIM_TERM);
        }
        if (_is(d, IInvoiceLedger.Kind.Reimburse)) {
            if (reimbursed || (claimed && i.employer != d.taxpayer)) return Verdict.Alarm;
            return _when(claimed);
        }
        if (_is(d, IInvoiceLedger.Kind.Reject)) return _when(claimed && i.employer == d.taxpayer);
        if (_is(d, IInvoiceLedger.Kind.Admit)) {
            if (reimbursed || (claimed && i.employer != d.taxpayer)) return Verdict.Alarm;
            return _when(issued || i.state == IInvoiceLedger.State.None);
        }
        bool entered = i.mark == 2 || i.mark == 3;
        if (_is(d, IInvoiceLedger.Kind.Enter)) {
            if (i.employer != d.taxpayer) return Verdict.Refused;
            if (d.ref == bytes32(uint256(6))) return _when(entered);
            if ((d.ref != bytes32(uint256(2)) && d.ref != bytes32(uint256(3))) || entered) return Verdict.Refused;
            return _when(i.holder != address(0) && (reimbursed || (i.titled && (issued || claimed))));
        }
        if (_is(d, IInvoiceLedger.Kind.Adjust) && i.holder == address(0)) return Verdict.Refused;
        if (issued && !entered) return Verdict.Taken;
        return _when((issued || claimed || reimbursed) && _genuineConsent(d, i.employer));
    }

    function _actInModel(ActDraft memory d) internal {
        for (uint256 n = 0; n < d.targets.length; ++n) {
            Invoice storage i = invoices[d.targets[n].id];
            ++i.version;
            if (_is(d, IInvoiceLedger.Kind.Enter)) i.mark = uint8(uint256(d.ref));
            if (_is(d, IInvoiceLedger.Kind.Adjust) || _is(d, IInvoiceLedger.Kind.Enter)) continue;
            i.updatedAt = uint40(block.timestamp);
            if (_is(d, IInvoiceLedger.Kind.Admit)) {
                if (!_known(d.targets[n].id)) {
                    ids.push(d.targets[n].id);
                    i.mark = 1;
                }
                (i.holder, i.employer, i.state) = (d.to, d.taxpayer, IInvoiceLedger.State.Claimed);
            }
            if (_is(d, IInvoiceLedger.Kind.Transfer)) i.holder = d.to;
            if (_is(d, IInvoiceLedger.Kind.Claim)) (i.state, i.employer) = (IInvoiceLedger.State.Claimed, d.taxpayer);
            if (_is(d, IInvoiceLedger.Kind.Reimburse)) i.state = IInvoiceLedger.State.Reimbursed;
            if (_is(d, IInvoiceLedger.Kind.Reverse)) i.state = IInvoiceLedger.State.Reversed;
            if (_is(d, IInvoiceLedger.Kind.Reject) || _is(d, IInvoiceLedger.Kind.Withdraw)) {
                i.state = IInvoiceLedger.State.Issued;
                if (!i.titled) i.employer = 0;
            }
        }
    }

    // ── evidence ──────────────────────────────────────────────────────────────────────────────────────────────────────

    /// An unknown number gets the evidence of a known one, and so does what no lot holds.
    function _evidence(uint256 id) internal view returns (IInvoiceLedger.Evidence memory e) {
        Invoice storage i = invoices[_known(id) && id < EXTERNAL ? id : ids[0]];
        SealedLot storage lot = lots[i.lot];
        e.lot = lot.header;
        e.leaf = lot.leaves[i.position];
        e.proof = NaiveTree.path(_leafHashes(lot.leaves), i.position);
    }

    function _leafHashes(IInvoiceLedger.Leaf[] memory leaves) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            IInvoiceLedger.Leaf memory leaf = leaves[i];
            hashes[i] = keccak256(bytes.concat(hex"00", leaf.content, bytes20(leaf.holder), bytes4(leaf.buyer)));
        }
    }

    function _known(uint256 id) internal view returns (bool) {
        return invoices[id].state != IInvoiceLedger.State.None;
    }

    function _is(ActDraft memory d, IInvoiceLedger.Kind kind) internal pure returns (bool) {
        return d.kind == uint8(kind);
    }

    function _isRedLetter(ActDraft memory d) internal pure returns (bool) {
        return _is(d, IInvoiceLedger.Kind.Reverse) || _is(d, IInvoiceLedger.Kind.Adjust);
    }

    function _wantsEvidence(ActDraft memory d, uint16 version) internal pure returns (bool) {
        return _isRedLetter(d) || (version == 0 && !_is(d, IInvoiceLedger.Kind.Admit));
    }

    function _proven(ActDraft memory d, IInvoiceLedger.Target memory t) private view returns (bool) {
        if (!_known(t.id) || t.id >= EXTERNAL) return false;
        if (_isRedLetter(d) && invoices[t.id].issuer != d.taxpayer) return false;
        if (d.proofs[d.proofs.length - 1] != t.id || d.tamper == Tamper.Nothing) return true;
        // of a touched invoice, leaf and proof are not read
        return t.version != 0 && (d.tamper == Tamper.Leaf || d.tamper == Tamper.Proof);
    }

    function _when(bool taken) private pure returns (Verdict) {
        return taken ? Verdict.Taken : Verdict.Refused;
    }
}
