// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../interfaces/IInvoiceLedger.sol";

/// The one storage slot of a touched invoice, from the lowest bit:
/// holder 160 | employer 32 | state 3 | mark 2 | spare 2 | titled 1 | version 16 | updatedAt 40. Zero: untouched.
/// The mark of book entry is kept by its place in the list of codes: 0 for 1 (not entered), 1 for 2, 2 for 3, 3 for 6.
type InvoiceRecord is uint256;

using {
    holder,
    employer,
    state,
    mark,
    entered,
    titled,
    version,
    updatedAt,
    unpack,
    next,
    stepped,
    marked,
    heldBy,
    boundTo
} for InvoiceRecord global;

uint256 constant HOLDER_BITS = type(uint160).max;
uint256 constant EMPLOYER_BITS = uint256(type(uint32).max) << 160;
uint256 constant MARK_BITS = 3 << 195;
uint256 constant TITLED_BIT = 1 << 199;

/// @notice A record that is not entered.
/// @dev Every field has its own width and the state fits 3 bits by its type, so nothing is cut off or overlaps.
function pack(
    address holder_,
    uint32 employer_,
    IInvoiceLedger.State state_,
    bool titled_,
    uint16 version_,
    uint40 updatedAt_
) pure returns (InvoiceRecord) {
    return
        InvoiceRecord.wrap(
            uint256(uint160(holder_)) |
                (uint256(employer_) << 160) |
                (uint256(uint8(state_)) << 192) |
                (titled_ ? TITLED_BIT : 0) |
                (uint256(version_) << 200) |
                (uint256(updatedAt_) << 216)
        );
}

/// @notice The record one version on, in another state, with the same holder, employer, mark and title.
/// Requirement: the version is below its maximum (above it starts again at zero).
/// @dev `state_` is an IInvoiceLedger.State as a number; a time beyond 40 bits loses what is above them.
function next(InvoiceRecord r, uint256 state_, uint256 time) pure returns (InvoiceRecord) {
    uint256 kept = InvoiceRecord.unwrap(r) & (HOLDER_BITS | EMPLOYER_BITS | MARK_BITS | TITLED_BIT);
    uint256 version_ = (uint256(version(r)) + 1) & type(uint16).max;
    return InvoiceRecord.wrap(kept | ((state_ & 7) << 192) | (version_ << 200) | (time << 216));
}

/// @notice The record one version on, and nothing else changed: neither state nor time.
/// Requirement: as for `next`.
function stepped(InvoiceRecord r) pure returns (InvoiceRecord) {
    uint256 version_ = (uint256(version(r)) + 1) & type(uint16).max;
    uint256 kept = InvoiceRecord.unwrap(r) & ~(uint256(type(uint16).max) << 200);
    return InvoiceRecord.wrap(kept | (version_ << 200));
}

/// @notice The same record with another mark of book entry.
/// Requirement: the mark is one of the codes 1, 2, 3 and 6.
function marked(InvoiceRecord r, uint256 mark_) pure returns (InvoiceRecord) {
    uint256 place = mark_ == 6 ? 3 : (mark_ - 1) & 3;
    return InvoiceRecord.wrap((InvoiceRecord.unwrap(r) & ~MARK_BITS) | (place << 195));
}

/// @notice The same record with another holder.
function heldBy(InvoiceRecord r, address holder_) pure returns (InvoiceRecord) {
    return InvoiceRecord.wrap((InvoiceRecord.unwrap(r) & ~HOLDER_BITS) | uint160(holder_));
}

/// @notice The same record with another employer.
function boundTo(InvoiceRecord r, uint32 employer_) pure returns (InvoiceRecord) {
    return InvoiceRecord.wrap((InvoiceRecord.unwrap(r) & ~EMPLOYER_BITS) | (uint256(employer_) << 160));
}

function holder(InvoiceRecord r) pure returns (address) {
    return address(uint160(InvoiceRecord.unwrap(r)));
}

function employer(InvoiceRecord r) pure returns (uint32) {
    return uint32(InvoiceRecord.unwrap(r) >> 160);
}

/// @dev An IInvoiceLedger.State as a number: the compiler would check an enum's range again at each comparison.
function state(InvoiceRecord r) pure returns (uint256) {
    return (InvoiceRecord.unwrap(r) >> 192) & 7;
}

/// @notice The mark of book entry as its code: 1, 2, 3 or 6.
function mark(InvoiceRecord r) pure returns (uint8) {
    uint256 place = (InvoiceRecord.unwrap(r) >> 195) & 3;
    return place == 3 ? 6 : uint8(place + 1);
}

/// @notice Whether the mark is 2 or 3: it stands in its employer's books.
function entered(InvoiceRecord r) pure returns (bool) {
    uint8 code = mark(r);
    return code == 2 || code == 3;
}

function titled(InvoiceRecord r) pure returns (bool) {
    return (InvoiceRecord.unwrap(r) >> 199) & 1 == 1;
}

function version(InvoiceRecord r) pure returns (uint16) {
    return uint16(InvoiceRecord.unwrap(r) >> 200);
}

function updatedAt(InvoiceRecord r) pure returns (uint40) {
    return uint40(InvoiceRecord.unwrap(r) >> 216);
}

function unpack(InvoiceRecord r) pure returns (IInvoiceLedger.Record memory) {
    return
        IInvoiceLedger.Record(
            holder(r),
            employer(r),
            IInvoiceLedger.State(state(r)),
            titled(r),
            state(r) == 0 ? 0 : mark(r),
            version(r),
            updatedAt(r)
        );
}
