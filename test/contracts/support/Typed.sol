// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Signature} from "../../../contracts/interfaces/ITaxpayerRegistry.sol";
import {IInvoiceLedger} from "../../../contracts/interfaces/IInvoiceLedger.sol";
import {vm} from "./Vm.sol";

/// The typed messages written out by the letter of EIP-712, without a line of contracts/libraries/Messages.sol, so that a
/// message which the ledger hashes wrongly is one that no party here has signed.
library Typed {
    function domain(string memory network, address verifier) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256(bytes(network)),
                    keccak256("1"),
                    block.chainid,
                    verifier
                )
            );
    }

    function digest(bytes32 domain_, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", domain_, structHash));
    }

    function sign(uint256 key, bytes32 digest_) internal pure returns (Signature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest_);
        return Signature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function sealHash(
        uint32 issuer,
        uint256 segment,
        uint256 first,
        uint256 count,
        bytes32 root
    ) internal pure returns (bytes32) {
        bytes32 seal = keccak256("Seal(uint32 issuer,uint256 segment,uint256 first,uint256 count,bytes32 root)");
        return keccak256(abi.encode(seal, issuer, segment, first, count, root));
    }

    /// @param kind As `IInvoiceLedger.Kind`; of an unknown kind nothing can be signed.
    function actHash(
        uint8 kind,
        address to,
        uint32 taxpayer,
        bytes32 ref,
        IInvoiceLedger.Target[] memory targets
    ) internal pure returns (bytes32) {
        bytes memory list;
        for (uint256 i = 0; i < targets.length; ++i) {
            list = bytes.concat(
                list,
                keccak256(abi.encode(keccak256("Invoice(uint256 id,uint16 version)"), targets[i].id, targets[i].version))
            );
        }
        bytes32 invoices = keccak256(list);
        if (kind == 0) return keccak256(abi.encode(_type("Transfer(address to,"), to, ref, invoices));
        if (kind == 1) return keccak256(abi.encode(_type("Claim(uint32 employer,"), taxpayer, ref, invoices));
        if (kind == 2) return keccak256(abi.encode(_type("Withdraw("), ref, invoices));
        if (kind == 3) return keccak256(abi.encode(_type("Reimburse(uint32 employer,"), taxpayer, ref, invoices));
        if (kind == 4) return keccak256(abi.encode(_type("Reject(uint32 employer,"), taxpayer, ref, invoices));
        if (kind == 5) return keccak256(abi.encode(_type("Reverse(uint32 issuer,"), taxpayer, ref, invoices));
        if (kind == 6) return keccak256(abi.encode(_type("Adjust(uint32 issuer,"), taxpayer, ref, invoices));
        if (kind == 7) return keccak256(abi.encode(_type("Enter(uint32 employer,"), taxpayer, ref, invoices));
        if (kind == 8) return keccak256(abi.encode(_type("Admit(uint32 employer,address holder,"), taxpayer, to, ref, invoices));
        return 0;
    }

    function rotateHash(address account, address key, uint64 counter) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("RotateKey(address account,address key,uint64 counter)"), account, key, counter));
    }

    function drawHash(uint32 index, uint32 period, uint128 amount, uint64 counter) internal pure returns (bytes32) {
        bytes32 draw = keccak256("Draw(uint32 index,uint32 period,uint128 amount,uint64 counter)");
        return keccak256(abi.encode(draw, index, period, amount, counter));
    }

    function giveBackHash(uint32 index, uint32 period, uint128 amount, uint64 counter) internal pure returns (bytes32) {
        bytes32 giveBack = keccak256("GiveBack(uint32 index,uint32 period,uint128 amount,uint64 counter)");
        return keccak256(abi.encode(giveBack, index, period, amount, counter));
    }

    function _type(string memory head) private pure returns (bytes32) {
        return keccak256(bytes.concat(bytes(head), "bytes32 ref,Invoice[] invoices)Invoice(uint256 id,uint16 version)"));
    }
}
