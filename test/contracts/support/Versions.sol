// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../../../contracts/interfaces/IInvoiceLedger.sol";
import {Acts} from "./Acts.sol";
import {Vm, vm} from "./Vm.sol";

/// The end of an invoice's versions, which no test can walk to (65,535 acts): the record is put there in the ledger's storage.
abstract contract Versions is Acts {
    uint256 private _id;
    uint8 private _mark;

    /// One untitled invoice with a record.
    function _issue() private {
        _issueTo(0);
    }

    function _issueTo(uint32 buyer) private {
        LotDraft memory d;
        (d.issuer, d.segment, d.first, d.key) = (1, segments[0].first, segments[0].first, keyOf[accounts[0]]);
        d.leaves = new IInvoiceLedger.Leaf[](1);
        d.leaves[0] = IInvoiceLedger.Leaf(keccak256("content"), accounts[5], buyer);
        _submitLot(d);
        _id = d.first;
        _take(IInvoiceLedger.Kind.Claim);
        _take(IInvoiceLedger.Kind.Reject);
    }

    function test_the_last_claim_leaves_room_for_reimbursement_and_reversal() external {
        _issue();
        _putAt(type(uint16).max - 4);
        _take(IInvoiceLedger.Kind.Claim);
        _take(IInvoiceLedger.Kind.Reimburse);
        _take(IInvoiceLedger.Kind.Reverse);
        require(ledger.record(_id).version == type(uint16).max - 1, "three steps from the last open version");
    }

    /// Reimburse, reverse and revoke are what can come after the last open act, whichever it was.
    function test_the_last_version_of_all_is_reached_and_not_passed() external {
        _issueTo(3);
        _putAt(type(uint16).max - 5);
        _enter(3);
        _take(IInvoiceLedger.Kind.Claim);
        _take(IInvoiceLedger.Kind.Reimburse);
        _take(IInvoiceLedger.Kind.Reverse);
        _enter(6);
        IInvoiceLedger.Record memory r = ledger.record(_id);
        require(r.version == type(uint16).max && r.mark == 6, "all that was open is closed with the last version");
        _mark = 2;
        for (uint8 kind = 0; kind <= uint8(IInvoiceLedger.Kind.Enter); ++kind) _submit(_draft(IInvoiceLedger.Kind(kind)), false);
        require(ledger.record(_id).version == type(uint16).max, "an invoice went past its last version");
    }

    function test_a_claim_given_back_at_the_end_can_still_be_reversed() external {
        _issue();
        _putAt(type(uint16).max - 4);
        _take(IInvoiceLedger.Kind.Claim);
        _take(IInvoiceLedger.Kind.Reject);
        _refuse(IInvoiceLedger.Kind.Claim);
        _refuse(IInvoiceLedger.Kind.Transfer);
        _take(IInvoiceLedger.Kind.Reverse);
    }

    function testFuzz_near_the_end_nothing_opens_an_invoice_again(uint16 version) external {
        version = type(uint16).max - (version % 4);
        _issue();
        _putAt(version);
        _refuse(IInvoiceLedger.Kind.Claim);
        _refuse(IInvoiceLedger.Kind.Transfer);
        _refuse(IInvoiceLedger.Kind.Adjust);
    }

    function testFuzz_near_the_end_nothing_is_entered_and_nothing_admitted_again(uint16 version) external {
        version = type(uint16).max - (version % 4);
        _issueTo(3);
        _putAt(version);
        _mark = 2;
        _refuse(IInvoiceLedger.Kind.Enter);
        _id = EXTERNAL | 7;
        _take(IInvoiceLedger.Kind.Admit);
        _take(IInvoiceLedger.Kind.Reject);
        _putAt(version);
        _refuse(IInvoiceLedger.Kind.Admit);
        _refuse(IInvoiceLedger.Kind.Claim);
    }

    function _enter(uint8 mark) private {
        _mark = mark;
        _take(IInvoiceLedger.Kind.Enter);
    }

    /// Puts another version into the record, which lies in the one slot that the ledger reads for it.
    function _putAt(uint16 version) private {
        vm.record();
        ledger.record(_id);
        (bytes32[] memory reads, ) = vm.accesses(address(ledger));
        uint256 word = uint256(vm.load(address(ledger), reads[0]));
        word = (word & ~(uint256(type(uint16).max) << 200)) | (uint256(version) << 200);
        vm.store(address(ledger), reads[0], bytes32(word));
        invoices[_id].version = version;
        require(ledger.record(_id).version == version, "the version was not put where the ledger reads it");
    }

    function _take(IInvoiceLedger.Kind kind) private {
        uint16 before = ledger.record(_id).version;
        _submit(_draft(kind), false);
        require(ledger.record(_id).version == before + 1, "an act was not taken");
    }

    function _refuse(IInvoiceLedger.Kind kind) private {
        IInvoiceLedger.Act[] memory batch = new IInvoiceLedger.Act[](1);
        batch[0] = _signed(_draft(kind));
        vm.recordLogs();
        ledger.act(batch);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (bytes4 reason, , bool alarm, uint256 found) = abi.decode(logs[0].data, (bytes4, uint8, bool, uint256));
        require(reason == IInvoiceLedger.VersionExhausted.selector && !alarm, "refused for another reason");
        require(found == ledger.record(_id).version, "the refusal names another version");
    }

    function _draft(IInvoiceLedger.Kind kind) private view returns (ActDraft memory d) {
        d.kind = uint8(kind);
        d.targets = new IInvoiceLedger.Target[](1);
        d.targets[0] = IInvoiceLedger.Target(_id, invoices[_id].version);
        if (_wantsEvidence(d, d.targets[0].version)) {
            d.proofs = new uint256[](1);
            d.proofs[0] = _id;
        }
        (d.key, d.consentKey) = (keyOf[accounts[5]], keyOf[accounts[6]]);
        if (kind == IInvoiceLedger.Kind.Transfer) {
            d.to = accounts[6];
        } else if (_isRedLetter(d)) {
            (d.taxpayer, d.key, d.consentKey) = (1, keyOf[accounts[0]], keyOf[accounts[2]]);
        } else {
            d.taxpayer = 3;
            if (kind != IInvoiceLedger.Kind.Claim && kind != IInvoiceLedger.Kind.Withdraw) d.key = keyOf[accounts[2]];
            if (kind == IInvoiceLedger.Kind.Admit) d.to = accounts[5];
            if (kind == IInvoiceLedger.Kind.Enter) (d.ref, d.signedRef) = (bytes32(uint256(_mark)), bytes32(uint256(_mark)));
        }
    }
}
