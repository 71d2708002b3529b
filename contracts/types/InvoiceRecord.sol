// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../interfaces/IInvoiceLedger.sol";

/// The one storage slot of a touched invoice, from the lowest bit:
/// holder 160 | employer 32 | state 7 | titled 1 | version 16 | updatedAt 40. Zero: untouched.
type InvoiceRecord is uint256;

using {holder, employer, state, titled, version, updatedAt, unpack, next, heldBy, boundTo} for InvoiceRecord global;

uint256 constant HOLDER_BITS = type(uint160).max;
uint256 constant EMPLOYER_BITS = uint256(type(uint32).max) << 160;
uint256 constant TITLED_BIT = 1 << 199;

/// @dev Every field has its own width and the state fits 7 bits by its type, so nothing is cut off or overlaps.
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

/// @notice The record one version on, in another state, with the same holder, employer and title.
/// Requirement: the version is below its maximum (above it starts again at zero).
/// @dev `state_` is an IInvoiceLedger.State as a number; a time beyond 40 bits loses what is above them.
function next(InvoiceRecord r, uint256 state_, uint256 time) pure returns (InvoiceRecord) {
    uint256 kept = InvoiceRecord.unwrap(r) & (HOLDER_BITS | EMPLOYER_BITS | TITLED_BIT);
    uint256 version_ = (uint256(version(r)) + 1) & type(uint16).max;
    return InvoiceRecord.wrap(kept | ((state_ & 0x7f) << 192) | (version_ << 200) | (time << 216));
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
    return (InvoiceRecord.unwrap(r) >> 192) & 0x7f;
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
            version(r),
            updatedAt(r)
        );
}
