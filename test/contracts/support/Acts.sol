// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../../../contracts/interfaces/IInvoiceLedger.sol";
import {Signature} from "../../../contracts/interfaces/ITaxpayerRegistry.sol";
import {Invoices} from "./Invoices.sol";
import {NaiveTree} from "./NaiveTree.sol";
import {Typed} from "./Typed.sol";
import {Vm, vm} from "./Vm.sol";

/// Signs and submits what was drafted, and holds the ledger's events against the model's verdict: both must take the same
/// things, and both must raise the same alarms. What was submitted is kept for a replay. Then the invariants, which read the
/// ledger alone and hold it against the model, whatever was done before.
abstract contract Acts is Invoices {
    bytes[] internal pastLots;
    bytes[] internal pastActs;
    /// From the events alone.
    mapping(uint256 id => uint256) internal reimbursements;
    /// What the ledger itself said of an invoice after the last act that named it.
    mapping(uint256 id => IInvoiceLedger.State) internal lastSeen;
    mapping(uint256 id => IInvoiceLedger.Record) private _lastRecord;

    function _submitLot(LotDraft memory d) internal {
        IInvoiceLedger.Lot[] memory batch = new IInvoiceLedger.Lot[](1);
        IInvoiceLedger.Lot memory lot = batch[0];
        (lot.issuer, lot.segment, lot.first, lot.leaves) = (d.issuer, d.segment, d.first, _leafHashes(d.leaves));
        bytes32 root = lot.leaves.length == 0 ? bytes32(0) : NaiveTree.root(lot.leaves);
        lot.seal = _signature(d.key, Typed.sealHash(d.issuer, d.segment, d.first, lot.leaves.length, root));
        bool expected = _mayBeSealed(d);
        vm.recordLogs();
        vm.record();
        try ledger.seal(batch) {
            (, bytes32[] memory writes) = vm.accesses(address(ledger));
            Vm.Log[] memory logs = vm.getRecordedLogs();
            require(logs.length == 1 && uint256(logs[0].topics[1]) == d.first, "a lot must have one event");
            bool taken = logs[0].topics[0] == IInvoiceLedger.LotSealed.selector;
            require(taken == expected, "the ledger and the model disagree on a lot");
            require(taken || logs[0].topics[0] == IInvoiceLedger.LotRefused.selector, "an event out of place");
            require(writes.length == (taken ? 2 : 0), "a lot costs two slots whatever its size, a refused one none");
            if (taken) {
                _sealInModel(d);
                pastLots.push(abi.encode(d));
            }
            ++times[taken ? "lot sealed" : "lot refused"];
        } catch {
            require(closed && expected, "a lot brought its transaction down");
            ++times["ledger closed"];
        }
    }

    function _submit(ActDraft memory d, bool twice) internal {
        IInvoiceLedger.Act[] memory batch = new IInvoiceLedger.Act[](twice ? 2 : 1);
        for (uint256 i = 0; i < batch.length; ++i) batch[i] = _signed(d);
        Verdict verdict = _judge(d);
        vm.recordLogs();
        try ledger.act(batch) {
            Vm.Log[] memory logs = vm.getRecordedLogs();
            require(!closed || verdict != Verdict.Taken, "a closed ledger took an act");
            uint256 next = 0;
            for (uint256 i = 0; i < batch.length; ++i) next = _follow(d, logs, next);
            require(next == logs.length, "an act has events beyond its own");
        } catch {
            require(closed && verdict == Verdict.Taken, "an act brought its transaction down");
            ++times["ledger closed"];
        }
        pastActs.push(abi.encode(d));
        for (uint256 i = 0; i < d.targets.length; ++i) _watch(d.targets[i].id);
    }

    /// Final states, and whose books an invoice is in, without the model: nothing but what the ledger said before and says now.
    function _watch(uint256 id) private {
        IInvoiceLedger.Record memory r = ledger.record(id);
        IInvoiceLedger.Record memory last = _lastRecord[id];
        if (last.mark == 2 || last.mark == 3) {
            require(r.employer == last.employer, "an invoice went to another employer while it is in one's books");
            require(r.mark == last.mark || r.mark == 6, "an entry became another one without being revoked");
        }
        _lastRecord[id] = r;
        IInvoiceLedger.State now_ = r.state;
        IInvoiceLedger.State before = lastSeen[id];
        if (before == IInvoiceLedger.State.Reversed) require(now_ == before, "a reversed invoice came back");
        if (before == IInvoiceLedger.State.Reimbursed) {
            require(now_ == before || now_ == IInvoiceLedger.State.Reversed, "a reimbursed invoice came back");
        }
        lastSeen[id] = now_;
    }

    /// Reads the events of one act, which start at `next`, and lets the model follow. Returns where the next act's start.
    function _follow(ActDraft memory d, Vm.Log[] memory logs, uint256 next) private returns (uint256) {
        Verdict verdict = _judge(d);
        if (logs[next].topics[0] == IInvoiceLedger.Refused.selector) {
            require(verdict != Verdict.Taken, "the ledger refused what the model takes");
            (bytes4 reason, , bool alarm, ) = abi.decode(logs[next].data, (bytes4, uint8, bool, uint256));
            require(reason != 0, "a refusal without a reason");
            require(!alarm || _genuine(d), "a party was blamed for an act that it did not sign");
            require(!alarm || _current(d), "a party was blamed for an act on an earlier version");
            require(alarm == (verdict == Verdict.Alarm), "the ledger and the model disagree on an alarm");
            ++times[alarm ? "alarm" : "act refused"];
            return next + 1;
        }
        require(verdict == Verdict.Taken, "the ledger took what the model refuses");
        bytes32 topic = _topicOf(d.kind);
        for (uint256 i = 0; i < d.targets.length; ++i) {
            uint256 id = d.targets[i].id;
            require(logs[next].topics[0] == topic && uint256(logs[next].topics[1]) == id, "an event out of place");
            if (topic == IInvoiceLedger.Reimbursed.selector) {
                require(++reimbursements[id] == 1, "an invoice was reimbursed twice");
            }
            _checkRedLetter(d, id);
            _checkEntry(d, logs[next]);
            ++next;
        }
        _actInModel(d);
        ++times[_wordOf(d.kind)];
        if (d.targets.length > 1) ++times["act over several invoices"];
        return next;
    }

    function _checkRedLetter(ActDraft memory d, uint256 id) private {
        if (!_isRedLetter(d)) return;
        Invoice memory i = invoices[id];
        bool entered = i.mark == 2 || i.mark == 3;
        if (i.state == IInvoiceLedger.State.Issued && !entered) return;
        require(_genuineConsent(d, i.employer), "an invoice in use was reversed without the employer's consent");
        string memory what = _is(d, IInvoiceLedger.Kind.Reverse) ? "reversed" : "adjusted";
        if (entered) ++times[string.concat("entered ", what)];
        if (i.state == IInvoiceLedger.State.Claimed) ++times[string.concat("claimed ", what)];
        if (i.state == IInvoiceLedger.State.Reimbursed) ++times[string.concat("reimbursed ", what)];
    }

    function _checkEntry(ActDraft memory d, Vm.Log memory log) private {
        if (!_is(d, IInvoiceLedger.Kind.Enter)) return;
        (uint8 mark, ) = abi.decode(log.data, (uint8, uint16));
        require(bytes32(uint256(mark)) == d.signedRef, "another mark than the one that was signed");
        require(address(uint160(uint256(log.topics[3]))) == address(uint160(d.taxpayer)), "an entry by another than its employer");
        if (mark == 6) ++times["entry revoked"];
    }

    function _current(ActDraft memory d) private view returns (bool) {
        for (uint256 i = 0; i < d.targets.length; ++i) {
            if (ledger.record(d.targets[i].id).version != d.targets[i].version) return false;
        }
        return true;
    }

    // ── signing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    function _signed(ActDraft memory d) internal view returns (IInvoiceLedger.Act memory a) {
        (a.kind, a.to, a.taxpayer, a.ref, a.invoices) = (d.kind, d.to, d.taxpayer, d.ref, d.targets);
        bytes32 message = Typed.actHash(d.kind, d.to, d.taxpayer, d.signedRef, d.targets);
        a.signature = _signature(d.key, message);
        a.consent = _signature(d.consentKey, message);
        uint256 given = d.proofs.length;
        if (d.tamper == Tamper.Missing && given > 0) --given;
        a.evidence = new IInvoiceLedger.Evidence[](given);
        for (uint256 i = 0; i < given; ++i) a.evidence[i] = _evidence(d.proofs[i]);
        if (given > 0) _spoil(a.evidence[given - 1], d.tamper);
    }

    function _spoil(IInvoiceLedger.Evidence memory e, Tamper tamper) private pure {
        if (tamper == Tamper.Header) ++e.lot.time;
        if (tamper == Tamper.Leaf) e.leaf.holder = address(uint160(e.leaf.holder) + 1);
        if (tamper != Tamper.Proof) return;
        if (e.proof.length == 0) e.proof = new bytes32[](1);
        else e.proof[0] ^= bytes32(uint256(1));
    }

    /// Junk for key 0.
    function _signature(uint256 key, bytes32 message) private view returns (Signature memory) {
        if (key == 0) return Signature(keccak256(abi.encode(message)), message);
        return Typed.sign(key, Typed.digest(ledgerDomain, message));
    }

    function _topicOf(uint8 kind) private pure returns (bytes32) {
        bytes32[9] memory topics = [
            IInvoiceLedger.Transferred.selector,
            IInvoiceLedger.Claimed.selector,
            IInvoiceLedger.Withdrawn.selector,
            IInvoiceLedger.Reimbursed.selector,
            IInvoiceLedger.Rejected.selector,
            IInvoiceLedger.Reversed.selector,
            IInvoiceLedger.Adjusted.selector,
            IInvoiceLedger.Entered.selector,
            IInvoiceLedger.Claimed.selector
        ];
        return topics[kind];
    }

    function _wordOf(uint8 kind) private pure returns (string memory) {
        string[9] memory words =
            ["transferred", "claimed", "withdrawn", "reimbursed", "rejected", "reversed", "adjusted", "entered", "admitted"];
        return words[kind];
    }

    // ── invariants ────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Every record is what the model says; an untouched invoice has nothing in its slot. The slot is the one that the ledger
    /// itself reads, so this holds for any layout.
    function _checkRecords() internal {
        for (uint256 n = 0; n < ids.length; ++n) {
            Invoice memory i = invoices[ids[n]];
            vm.record();
            IInvoiceLedger.Record memory r = ledger.record(ids[n]);
            (bytes32[] memory reads, ) = vm.accesses(address(ledger));
            require(reads.length == 1, "a record is not one slot");
            if (i.version == 0) {
                require(vm.load(address(ledger), reads[0]) == 0, "an untouched invoice costs a slot");
                continue;
            }
            require(r.holder == i.holder && r.employer == i.employer, "holder or employer differs from the model");
            require(r.state == i.state && r.titled == i.titled, "state or title differs from the model");
            require(r.mark == i.mark, "the mark differs from the model");
            require(r.version == i.version && r.updatedAt == i.updatedAt, "version or time differs from the model");
        }
    }

    /// A state changes by an act that names its invoice, and by nothing else; and nobody is reimbursed without an event.
    function _checkStates() internal view {
        for (uint256 n = 0; n < ids.length; ++n) {
            uint256 id = ids[n];
            IInvoiceLedger.State state = ledger.record(id).state;
            require(state == lastSeen[id], "a state changed by no act on its invoice");
            require(reimbursements[id] <= 1, "reimbursed more than once");
            if (state == IInvoiceLedger.State.Reimbursed) require(reimbursements[id] == 1, "reimbursed without an event");
        }
    }

    /// The numbers of a segment are taken from its first one on, without a gap, and none lies in two lots.
    function _checkNumbers() internal view {
        for (uint256 s = 0; s < segments.length; ++s) {
            uint256 first = segments[s].first;
            uint256 next = first;
            // not past its end: the next segment of the series begins there
            while (next < first + segments[s].length && ledger.lotHash(next) != 0) {
                require(_known(next), "a lot that the model does not know");
                IInvoiceLedger.LotHeader memory lot = lots[invoices[next].lot].header;
                require(ledger.lotHash(next) == keccak256(abi.encode(lot)), "a lot's header differs from the model");
                for (uint256 inside = next + 1; inside < next + lot.count; ++inside) {
                    require(ledger.lotHash(inside) == 0, "a lot starts inside another");
                }
                next += lot.count;
            }
            require(next - first == ledger.sealedIn(first), "a segment's lots leave a gap");
            require(next - first == sealedIn[first], "a segment's count differs from the model");
            require(next <= first + segments[s].length, "a segment ran over");
        }
    }
}
