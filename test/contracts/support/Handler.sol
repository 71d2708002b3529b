// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../../../contracts/interfaces/IInvoiceLedger.sol";
import {Acts} from "./Acts.sol";
import {vm} from "./Vm.sol";

/// What the fuzzer calls. Each function does one thing that a party, a thief or a relayer might do, with every choice rolled
/// from its seed, submits it, and holds what the ledger says against the model (Acts). Acts on the registry are in Parties.
abstract contract Handler is Acts {
    constructor() {
        // room for a run that never calls allotSegment; two issuers, two segments each
        _allot(1, 26_441, 500);
        _allot(2, 26_441, 500);
        _allot(1, 26_442, 30);
        _allot(2, 26_441, 500);
        for (uint32 index = 1; index <= 2; ++index) {
            for (uint32 period = 0; period < 2; ++period) {
                granted[index][periods[period]] = 400;
                registry.setQuota(index, periods[period], 400);
            }
        }
    }

    function seal(uint256 seed) external {
        _start(seed);
        LotDraft memory d;
        Segment memory s = segments[_roll(segments.length)];
        (d.issuer, d.segment) = (s.issuer, s.first);
        d.first = s.first + sealedIn[s.first];
        d.leaves = _leaves(_roll(10) == 0 ? 10 + _roll(15) : 1 + _roll(9));
        d.key = keyOf[accountAt[s.issuer]];
        uint256 mischief = _roll(16);
        if (mischief == 0) d.key = 0;
        if (mischief == 1) d.key = keyOf[_account()];
        if (mischief == 2) d.first = s.first + _roll(sealedIn[s.first] + 3);
        if (mischief == 3) {
            d.issuer = _index();
            d.key = keyOf[accountAt[d.issuer]];
        }
        if (mischief == 4) d.leaves = new IInvoiceLedger.Leaf[](0);
        if (mischief == 5) ++d.segment;
        if (mischief == 6) d.key = formerKeyOf[accountAt[s.issuer]];
        _submitLot(d);
    }

    function replaySeal(uint256 seed) external {
        _start(seed);
        if (pastLots.length == 0) return;
        ++times["replay of a lot"];
        _submitLot(abi.decode(pastLots[_roll(pastLots.length)], (LotDraft)));
    }

    function transfer(uint256 seed) external {
        _start(seed);
        ActDraft memory d = _draft(IInvoiceLedger.Kind.Transfer, IInvoiceLedger.State.Issued);
        if (d.targets.length == 0) return;
        d.to = _roll(15) == 0 ? address(0) : _account();
        d.consentKey = _roll(10) == 0 ? 0 : _signingKey(d.to);
        _spoilAndSubmit(d);
    }

    function claim(uint256 seed) external {
        _start(seed);
        ActDraft memory d = _draft(IInvoiceLedger.Kind.Claim, _orReimbursed(IInvoiceLedger.State.Issued));
        if (d.targets.length == 0) return;
        d.taxpayer = invoices[d.targets[0].id].employer;
        if (d.taxpayer == 0 || _roll(6) == 0) d.taxpayer = uint32(2 + _roll(3));
        _spoilAndSubmit(d);
    }

    function withdraw(uint256 seed) external {
        _start(seed);
        ActDraft memory d = _draft(IInvoiceLedger.Kind.Withdraw, IInvoiceLedger.State.Claimed);
        if (d.targets.length == 0) return;
        if (_roll(2) == 0) vm.warp(block.timestamp + CLAIM_TERM);
        _spoilAndSubmit(d);
    }

    function reimburse(uint256 seed) external {
        _decide(seed, IInvoiceLedger.Kind.Reimburse);
    }

    function reject(uint256 seed) external {
        _decide(seed, IInvoiceLedger.Kind.Reject);
    }

    function reverse(uint256 seed) external {
        _redLetter(seed, IInvoiceLedger.Kind.Reverse);
    }

    function adjust(uint256 seed) external {
        _redLetter(seed, IInvoiceLedger.Kind.Adjust);
    }

    function enter(uint256 seed) external {
        _start(seed);
        ActDraft memory d = _draft(IInvoiceLedger.Kind.Enter, IInvoiceLedger.State(1 + _roll(3)));
        if (d.targets.length == 0) return;
        Invoice memory i = invoices[d.targets[0].id];
        d.taxpayer = i.employer == 0 || i.employer > 4 || _roll(8) == 0 ? _index() : i.employer;
        d.key = _signingKey(accountAt[d.taxpayer]);
        d.ref = bytes32(_roll(8) == 0 ? _roll(8) : i.mark == 2 || i.mark == 3 ? 6 : 2 + _roll(2));
        d.signedRef = d.ref;
        _spoilAndSubmit(d);
    }

    /// Few ids, so that employers are after the same ones.
    function admit(uint256 seed) external {
        _start(seed);
        uint256 first = _roll(6);
        uint256[] memory picked = new uint256[](1 + _roll(2));
        for (uint256 i = 0; i < picked.length; ++i) picked[i] = EXTERNAL | ((first + i) * uint256(keccak256("apart") >> 12));
        ActDraft memory d = _draftOf(IInvoiceLedger.Kind.Admit, picked);
        d.to = _roll(12) == 0 ? address(0) : _account();
        d.taxpayer = _roll(10) == 0 ? _index() : uint32(2 + _roll(3));
        d.key = _signingKey(accountAt[d.taxpayer]);
        _spoilAndSubmit(d);
    }

    function _redLetter(uint256 seed, IInvoiceLedger.Kind kind) private {
        _start(seed);
        ActDraft memory d = _draft(kind, IInvoiceLedger.State(1 + _roll(3)));
        if (d.targets.length == 0) return;
        Invoice memory i = invoices[d.targets[0].id];
        d.taxpayer = _roll(8) == 0 ? _index() : i.issuer;
        d.key = _signingKey(accountAt[d.taxpayer]);
        if (i.employer < 5) d.consentKey = _roll(3) == 0 ? 0 : _signingKey(accountAt[i.employer]);
        _spoilAndSubmit(d);
    }

    /// What was once signed is submitted again, by whoever kept it.
    function replayAct(uint256 seed) external {
        _start(seed);
        if (pastActs.length == 0) return;
        ++times["replay of an act"];
        _submit(abi.decode(pastActs[_roll(pastActs.length)], (ActDraft)), false);
    }

    function wait_(uint256 seed) external {
        _start(seed);
        vm.warp(block.timestamp + _roll(2) * 20 days + _roll(7 hours));
    }

    function close(uint256 seed) external {
        _start(seed);
        closed = !closed && _roll(3) == 0;
        ledger.setClosed(closed);
    }

    function _decide(uint256 seed, IInvoiceLedger.Kind kind) private {
        _start(seed);
        ActDraft memory d = _draft(kind, _orReimbursed(IInvoiceLedger.State.Claimed));
        if (d.targets.length == 0) return;
        d.taxpayer = invoices[d.targets[0].id].employer;
        if (d.taxpayer == 0 || d.taxpayer > 4 || _roll(6) == 0) d.taxpayer = _index();
        d.key = _signingKey(accountAt[d.taxpayer]);
        _spoilAndSubmit(d);
    }

    /// To be paid a second time is what a thief wants most.
    function _orReimbursed(IInvoiceLedger.State wanted) private returns (IInvoiceLedger.State) {
        return _roll(5) == 0 ? IInvoiceLedger.State.Reimbursed : wanted;
    }

    /// An act by the holder over one to four invoices of one kind, which are mostly in the state that the act wants.
    function _draft(IInvoiceLedger.Kind kind, IInvoiceLedger.State wanted) private returns (ActDraft memory d) {
        if (_roll(5) == 0) wanted = IInvoiceLedger.State(1 + _roll(4));
        return _draftOf(kind, _pick(wanted, 1 + _roll(4)));
    }

    function _draftOf(IInvoiceLedger.Kind kind, uint256[] memory picked) private returns (ActDraft memory d) {
        d.kind = uint8(kind);
        d.ref = bytes32(_roll(1_000));
        d.signedRef = d.ref;
        d.targets = new IInvoiceLedger.Target[](picked.length);
        for (uint256 i = 0; i < picked.length; ++i) {
            d.targets[i] = IInvoiceLedger.Target(picked[i], invoices[picked[i]].version);
        }
        if (picked.length > 0) {
            address holder = invoices[picked[0]].holder;
            d.key = holder == address(0) ? keyOf[_account()] : _signingKey(holder);
        }
    }

    function _spoilAndSubmit(ActDraft memory d) private {
        uint256 n = d.targets.length;
        uint256 mischief = _roll(24);
        if (mischief == 0) ++d.targets[_roll(n)].version;
        if (mischief == 1 && d.targets[n - 1].version > 0) --d.targets[n - 1].version;
        if (mischief == 2) d.key = 0;
        if (mischief == 3) d.key = keyOf[_account()];
        if (mischief == 4) d.signedRef = bytes32(uint256(d.ref) + 1);
        if (mischief == 5) (d.targets[0], d.targets[n - 1]) = (d.targets[n - 1], d.targets[0]);
        if (mischief == 6) d.targets[n - 1] = d.targets[0];
        if (mischief == 7) d.targets[n - 1] = _someone();
        if (mischief == 8) d.kind = uint8(9 + _roll(247));
        if (mischief == 9) d.targets = new IInvoiceLedger.Target[](_roll(2) * 101);
        if (mischief == 10) d.targets[n - 1] = IInvoiceLedger.Target(segments[0].first + sealedIn[segments[0].first], 0);
        if (mischief == 11 || mischief == 12) d.tamper = Tamper(1 + _roll(4));
        uint256[] memory proofs = new uint256[](d.targets.length);
        uint256 needed = 0;
        for (uint256 i = 0; i < proofs.length; ++i) {
            if (_wantsEvidence(d, d.targets[i].version)) proofs[needed++] = d.targets[i].id;
        }
        d.proofs = new uint256[](needed);
        for (uint256 i = 0; i < needed; ++i) d.proofs[i] = proofs[i];
        // the same act twice in one transaction is the shortest way to be paid twice
        _submit(d, _roll(6) == 0);
    }

    function _someone() private returns (IInvoiceLedger.Target memory) {
        uint256 id = ids[_roll(ids.length)];
        return IInvoiceLedger.Target(id, invoices[id].version);
    }

    /// Up to `most` invoices in this state, ascending, of the same holder, employer and issuer as the first one found.
    function _pick(IInvoiceLedger.State wanted, uint256 most) private returns (uint256[] memory picked) {
        uint256[] memory found = new uint256[](most);
        uint256 count = 0;
        uint256 from = ids.length == 0 ? 0 : _roll(ids.length);
        for (uint256 n = 0; n < ids.length && count < most; ++n) {
            uint256 id = ids[(from + n) % ids.length];
            Invoice storage i = invoices[id];
            if (i.state != wanted) continue;
            if (count > 0) {
                Invoice storage like = invoices[found[0]];
                if (i.holder != like.holder || i.employer != like.employer || i.issuer != like.issuer) continue;
            }
            uint256 place = count++;
            for (; place > 0 && found[place - 1] > id; --place) found[place] = found[place - 1];
            found[place] = id;
        }
        picked = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) picked[i] = found[i];
    }

    function _leaves(uint256 size) private returns (IInvoiceLedger.Leaf[] memory leaves) {
        leaves = new IInvoiceLedger.Leaf[](size);
        // long runs of one holder, as a till has them, so that acts over several invoices come about
        address holder = _account();
        for (uint256 i = 0; i < size; ++i) {
            if (_roll(4) == 0) holder = _roll(8) == 0 ? address(0) : _account();
            uint256 roll = _roll(10);
            uint32 buyer = roll < 5 ? 0 : roll < 9 ? uint32(2 + _roll(3)) : uint32(_roll(8));
            leaves[i] = IInvoiceLedger.Leaf(bytes32(_roll(type(uint256).max)), holder, buyer);
        }
    }
}
