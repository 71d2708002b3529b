// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Signature} from "../interfaces/ITaxpayerRegistry.sol";
import {IInvoiceLedger} from "../interfaces/IInvoiceLedger.sol";

/// @title The typed messages that parties sign (EIP-712)
/// @notice Each kind of act has a type of its own, so a signature serves one kind; each names the version of each invoice, so
/// it serves once; the domain names network, chain and contract.
library Messages {
    bytes32 internal constant SEAL =
        keccak256("Seal(uint32 issuer,uint256 segment,uint256 first,uint256 count,bytes32 root)");
    bytes32 internal constant INVOICE = keccak256("Invoice(uint256 id,uint16 version)");
    bytes32 internal constant TRANSFER =
        keccak256("Transfer(address to,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant CLAIM =
        keccak256("Claim(uint32 employer,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant WITHDRAW =
        keccak256("Withdraw(bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant REIMBURSE =
        keccak256("Reimburse(uint32 employer,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant REJECT =
        keccak256("Reject(uint32 employer,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant REVERSE =
        keccak256("Reverse(uint32 issuer,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant ADJUST =
        keccak256("Adjust(uint32 issuer,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant ENTER =
        keccak256("Enter(uint32 employer,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");
    bytes32 internal constant ADMIT =
        keccak256("Admit(uint32 employer,address holder,bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)");

    bytes32 internal constant ROTATE_KEY = keccak256("RotateKey(address account,address key,uint64 counter)");
    bytes32 internal constant DRAW = keccak256("Draw(uint32 index,uint32 period,uint128 amount,uint64 counter)");
    bytes32 internal constant GIVE_BACK = keccak256("GiveBack(uint32 index,uint32 period,uint128 amount,uint64 counter)");

    /// @notice Struct hash of a seal.
    function sealHash(IInvoiceLedger.Lot calldata lot, bytes32 root) internal pure returns (bytes32) {
        return keccak256(abi.encode(SEAL, lot.issuer, lot.segment, lot.first, lot.leaves.length, root));
    }

    /// @notice Struct hash of an act over its invoices. Requirement: the kind is one of IInvoiceLedger.Kind.
    function actHash(
        IInvoiceLedger.Act calldata act,
        uint256 kind,
        IInvoiceLedger.Target[] calldata targets
    ) internal pure returns (bytes32) {
        bytes32 invoices = _invoicesHash(targets);
        bytes32 ref = act.ref;
        bytes32 typeHash;
        if (kind == uint256(IInvoiceLedger.Kind.Reimburse)) typeHash = REIMBURSE;
        else if (kind == uint256(IInvoiceLedger.Kind.Claim)) typeHash = CLAIM;
        else if (kind == uint256(IInvoiceLedger.Kind.Reject)) typeHash = REJECT;
        else if (kind == uint256(IInvoiceLedger.Kind.Reverse)) typeHash = REVERSE;
        else if (kind == uint256(IInvoiceLedger.Kind.Transfer)) {
            return _hash(TRANSFER, bytes32(uint256(uint160(act.to))), ref, invoices);
        } else if (kind == uint256(IInvoiceLedger.Kind.Withdraw)) {
            return keccak256(abi.encode(WITHDRAW, ref, invoices));
        } else if (kind == uint256(IInvoiceLedger.Kind.Adjust)) typeHash = ADJUST;
        else if (kind == uint256(IInvoiceLedger.Kind.Enter)) typeHash = ENTER;
        else return keccak256(abi.encode(ADMIT, act.taxpayer, act.to, ref, invoices));
        return _hash(typeHash, bytes32(uint256(act.taxpayer)), ref, invoices);
    }

    /// @notice Address of the key that signed, or zero: for a malformed signature, and for one with s in the upper half.
    /// @dev ECDSA alone: what a contract wallet says of a signature could not be checked offline.
    function signer(bytes32 digest, Signature calldata signature) internal pure returns (address recovered) {
        (recovered, , ) = ECDSA.tryRecover(digest, signature.r, signature.vs);
    }

    /// @dev keccak256(abi.encode(a, b, c, d)), which would allocate.
    function _hash(bytes32 a, bytes32 b, bytes32 c, bytes32 d) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, a)
            mstore(add(at, 0x20), b)
            mstore(add(at, 0x40), c)
            mstore(add(at, 0x60), d)
            hash := keccak256(at, 0x80)
        }
    }

    /// @dev keccak256 over the struct hashes of the targets (EIP-712's rule for arrays). A target is two words of calldata, so
    /// each is hashed where it is copied to; a version that is no uint16 is refused where it is read.
    function _invoicesHash(IInvoiceLedger.Target[] calldata targets) private pure returns (bytes32 hash) {
        bytes32 invoice = INVOICE;
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let hashes := add(scratch, 0x60)
            mstore(scratch, invoice)
            for { let i := 0 } lt(i, targets.length) { i := add(i, 1) } {
                calldatacopy(add(scratch, 0x20), add(targets.offset, shl(6, i)), 0x40)
                mstore(add(hashes, shl(5, i)), keccak256(scratch, 0x60))
            }
            hash := keccak256(hashes, shl(5, targets.length))
        }
    }
}
