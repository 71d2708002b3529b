// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../../contracts/interfaces/IInvoiceLedger.sol";
import {InvoiceRecord, pack} from "../../contracts/types/InvoiceRecord.sol";

/// Holds the packed record against the plain struct, and its layout against the widths that its type promises.
contract InvoiceRecordTest {
    struct Fields {
        address holder;
        uint32 employer;
        uint8 state;
        bool titled;
        uint16 version;
        uint40 updatedAt;
    }

    function testFuzz_what_is_packed_comes_back(Fields memory f) external pure {
        InvoiceRecord r = _pack(f);
        IInvoiceLedger.Record memory back = r.unpack();
        require(back.holder == f.holder && r.holder() == f.holder, "holder");
        require(back.employer == f.employer && r.employer() == f.employer, "employer");
        require(uint8(back.state) == f.state && uint256(r.state()) == f.state, "state");
        require(back.titled == f.titled && r.titled() == f.titled, "titled");
        require(back.mark == (f.state == 0 ? 0 : 1) && r.mark() == 1 && !r.entered(), "mark");
        require(back.version == f.version && r.version() == f.version, "version");
        require(back.updatedAt == f.updatedAt && r.updatedAt() == f.updatedAt, "updatedAt");
    }

    /// The layout is public: whoever reads the slot from a node relies on it.
    function testFuzz_the_fields_lie_where_the_layout_says(Fields memory f) external pure {
        uint256 word = InvoiceRecord.unwrap(_pack(f));
        require(
            bytes32(word) ==
                bytes32(
                    bytes.concat(
                        bytes5(f.updatedAt),
                        bytes2(f.version),
                        bytes1(f.state | (f.titled ? 0x80 : 0)),
                        bytes4(f.employer),
                        bytes20(f.holder)
                    )
                ),
            "layout differs"
        );
    }

    function testFuzz_a_change_of_one_field_changes_no_other(Fields memory f, Fields memory g) external pure {
        uint256 word = InvoiceRecord.unwrap(_pack(f));
        g.state %= 5;
        require(_changed(word, Fields(g.holder, f.employer, f.state, f.titled, f.version, f.updatedAt)) >> 160 == 0, "holder");
        uint256 mask = _changed(word, Fields(f.holder, g.employer, f.state, f.titled, f.version, f.updatedAt));
        require(mask & ~(uint256(type(uint32).max) << 160) == 0, "employer");
        mask = _changed(word, Fields(f.holder, f.employer, g.state, f.titled, f.version, f.updatedAt));
        require(mask & ~(uint256(7) << 192) == 0, "state");
        mask = _changed(word, Fields(f.holder, f.employer, f.state, !f.titled, f.version, f.updatedAt));
        require(mask == 1 << 199, "titled");
        mask = _changed(word, Fields(f.holder, f.employer, f.state, f.titled, g.version, f.updatedAt));
        require(mask & ~(uint256(type(uint16).max) << 200) == 0, "version");
        mask = _changed(word, Fields(f.holder, f.employer, f.state, f.titled, f.version, g.updatedAt));
        require(mask & ~(uint256(type(uint40).max) << 216) == 0, "updatedAt");
    }

    function testFuzz_another_mark_changes_its_two_bits_alone_and_the_next_record_keeps_it(Fields memory f, uint8 mark) external pure {
        f.version %= type(uint16).max;
        uint8[4] memory codes = [1, 2, 3, 6];
        mark = mark % 4;
        InvoiceRecord r = _pack(f).marked(codes[mark]);
        require(InvoiceRecord.unwrap(r) ^ InvoiceRecord.unwrap(_pack(f)) == uint256(mark) << 195, "other bits changed");
        require(r.mark() == codes[mark] && r.entered() == (mark == 1 || mark == 2), "mark");
        require(r.unpack().mark == (f.state == 0 ? 0 : codes[mark]), "an untouched invoice has no mark");
        require(r.next(2, 7).mark() == codes[mark] && r.boundTo(1).heldBy(address(1)).mark() == codes[mark], "a mark was lost");
        require(InvoiceRecord.unwrap(r.marked(1)) == InvoiceRecord.unwrap(_pack(f)), "a mark left something behind");
    }

    function testFuzz_a_step_is_one_version_on_and_nothing_else(Fields memory f) external pure {
        f.version %= type(uint16).max;
        InvoiceRecord stepped = _pack(f).stepped();
        ++f.version;
        require(InvoiceRecord.unwrap(stepped) == InvoiceRecord.unwrap(_pack(f)), "more than the version changed");
    }

    function testFuzz_the_next_record_is_one_version_on_and_keeps_whose_it_is(Fields memory f, uint8 state, uint40 time) external pure {
        f.version %= type(uint16).max;
        IInvoiceLedger.Record memory r = _pack(f).next(state % 5, time).unpack();
        require(r.holder == f.holder && r.employer == f.employer && r.titled == f.titled, "a kept field changed");
        require(uint8(r.state) == state % 5 && r.version == f.version + 1 && r.updatedAt == time, "a new field differs");
    }

    function testFuzz_another_holder_or_employer_changes_nothing_else(Fields memory f, address holder, uint32 employer) external pure {
        InvoiceRecord r = _pack(f);
        (f.holder, f.employer) = (holder, employer);
        require(InvoiceRecord.unwrap(r.heldBy(holder).boundTo(employer)) == InvoiceRecord.unwrap(_pack(f)), "both differ");
        f.holder = r.holder();
        require(InvoiceRecord.unwrap(r.boundTo(employer)) == InvoiceRecord.unwrap(_pack(f)), "the employer alone differs");
    }

    function test_an_empty_slot_is_an_untouched_invoice() external pure {
        IInvoiceLedger.Record memory r = InvoiceRecord.wrap(0).unpack();
        require(r.holder == address(0) && r.employer == 0 && r.state == IInvoiceLedger.State.None, "not empty");
        require(!r.titled && r.mark == 0 && r.version == 0 && r.updatedAt == 0, "not empty");
    }

    function _changed(uint256 word, Fields memory f) private pure returns (uint256) {
        return word ^ InvoiceRecord.unwrap(_pack(f));
    }

    /// Any byte becomes one of the five states, in place.
    function _pack(Fields memory f) private pure returns (InvoiceRecord) {
        f.state %= 5;
        return pack(f.holder, f.employer, IInvoiceLedger.State(f.state), f.titled, f.version, f.updatedAt);
    }
}
